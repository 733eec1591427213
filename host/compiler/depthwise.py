"""Depthwise convolution on the vector unit."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from systolith.rtl.isa import Function, Unit

from .layer import PIECE_CYCLES, Extent, Piece, chunks
from .window import WindowLayer

__all__ = ["DepthwiseLayer", "Slide", "slides"]

#: Up to so many pixels a layer is cut by channels, as the array's layers of few vectors are.
_FEW_PIXELS = 64


class Slide(NamedTuple):
    """How a line of a kernel passes over a line of pixels, in steps of several reads.

    Each read of a step keeps a window of its own, of the last vectors that it made. Pixels are counted from the first
    one that the first output sees.

    Members
    -------
    reads : int, in a step
    lead : int, pixel of the first step's first read
    spread : int, pixels from one read of a step to the next
    advance : int, pixels from one step to the next
    first : int, step at which the first output is complete
    apart : int, steps from one output to the next
    """
    reads: int
    lead: int
    spread: int
    advance: int
    first: int
    apart: int

    def steps(self, outputs):
        """Number of steps for so many outputs."""
        return self.first + 1 + (outputs - 1) * self.apart

    def last(self, outputs):
        """Pixel of the last read."""
        return self.lead + (self.steps(outputs) - 1) * self.advance + (self.reads - 1) * self.spread

    def taps(self, kernel, dilation, width):
        """Which tap of the kernel each read has in each place of a window, the oldest first; -1 where it has none.

        Parameters
        ----------
        kernel : int, taps
        dilation : int, pixels
        width : int, vectors of a window

        Returns
        -------
        int array (reads, width)
        """
        read, age = np.meshgrid(np.arange(self.reads), np.arange(width)[::-1], indexing="ij")
        tap, beside = np.divmod(self.lead + (self.first - age) * self.advance + read * self.spread, dilation)
        tap[(beside != 0) | (tap < 0) | (tap >= kernel)] = -1
        again = np.ones(tap.size, bool)
        again[np.unique(tap, return_index=True)[1]] = False
        tap.reshape(-1)[again] = -1
        return tap


def slides(kernel, stride, dilation, width):
    """Ways to pass a line of a kernel over a line of pixels with windows of `width` vectors.

    Some read a pixel or more beside what the outputs see, whose weights are zero.

    Parameters
    ----------
    kernel : int, taps
    stride, dilation : int, pixels
    width : int, vectors

    Returns
    -------
    list of Slide
    """
    # A read for each tap.
    found = [Slide(kernel, 0, dilation, stride, 0, 1)]
    if dilation == 1:
        # From pixel to pixel: the windows of a step lie side by side, perhaps one over the other.
        if kernel <= width:
            found.append(Slide(1, 0, 0, 1, kernel - 1, stride))
        for reads in range(2, kernel):
            spread, rest = divmod(kernel - width, reads - 1)
            if rest == 0 and 0 < spread <= width:
                found.append(Slide(reads, 0, spread, 1, width - 1, stride))
        # From output to output: a window has every stride-th pixel, and a step reads all that are new.
        turns = -(-kernel // stride)
        if 1 < stride < kernel and turns <= width:
            found += [Slide(stride, lead, 1, stride, turns - 1, 1) for lead in {0, kernel - turns * stride}]
    return found


class _Plan(NamedTuple):
    """One way to do a layer. The one that takes fewer cycles is less.

    Members
    -------
    cycles : int, about how many it takes
    along : "x" or "y", where windows slide to
    fold : int, pixels of a row side by side in the lanes
    slide : Slide
    outputs, lines : int, the target's size along that axis and along the other
    """
    cycles: int
    along: str
    fold: int
    slide: Slide
    outputs: int
    lines: int

    @property
    def axis(self):
        """That along which the windows slide."""
        return "yx".index(self.along)


@dataclass
class DepthwiseLayer(WindowLayer):
    """Depthwise convolution by windows that slide along x or along y, whichever takes fewer cycles.

    Sliding along y, neighbouring pixels may share the lanes if the stride along x is 1 and they have few channels.

    Members
    -------
    weights : int8 array (kernel height, kernel width, channels)
    """
    weights: np.ndarray = None

    slides = True

    @property
    def weight_bytes(self):
        return self.weights.size

    def _parameters(self, first, last):
        return {**super()._parameters(first, last), "weights": self.weights[..., first:last]}

    def cycles(self, config, target):
        """About how many cycles it takes; None if the vector unit of that configuration has too few kernel rows.

        Parameters
        ----------
        config : Config
        target : Layout, whose address does not matter
        """
        return min((plan.cycles for plan in self._plans(config, target)
                    if plan.slide.lead >= 0 and plan.slide.last(plan.outputs) < self._seen(plan.axis, plan.outputs)),
                   default=None)

    def work(self, config, layouts):
        return min(self._plans(config, layouts[self.target])).cycles

    def _plans(self, config, target):
        """The `_Plan`s that the vector unit of a configuration can do."""
        geometry, blocks = self.geometry, -(-target.channels // config.cols)
        height, width = target.height, target.width
        for along, axis, outputs, lines in (("x", 1, width, height), ("y", 0, height, width)):
            folds = [fold for fold in range(1, max(1, config.cols // target.channels) + 1) if fold == 1 or (
                along == "y" and geometry.stride[1] == 1 and width % fold == 0)]
            for slide in slides(geometry.kernel[axis], geometry.stride[axis], geometry.dilation[axis],
                                config.vector_taps):
                reads = geometry.kernel[1 - axis] * slide.reads
                if reads <= config.vector_kernel_rows:
                    cycles = slide.steps(outputs) * max(reads, config.vector_beats)
                    for fold in folds:
                        yield _Plan(blocks * lines // fold * cycles, along, fold, slide, outputs, lines)

    def _seen(self, axis, outputs):
        """Pixels along an axis that so many outputs see."""
        begin, end = self.geometry.span(axis, 0, outputs)
        return end - begin

    def _readable(self, plan, config, source):
        """Whether all that a plan reads lies in the unified buffer."""
        corners = (plan.slide.lead, 0), (plan.slide.last(plan.outputs), self._seen(1 - plan.axis, plan.lines) - 1)
        low, high = (source.address(*np.subtract(corner[::-1] if plan.along == "x" else corner, self.geometry.before))
                     for corner in corners)
        last = (source.channels - 1) // config.cols * config.cols
        return low >= 0 and high + last + config.cols <= config.unified_buffer_bytes

    def begin(self, builder, layouts):
        config, source, target = builder.config, layouts[self.sources[0]], layouts[self.target]
        plan = min(plan for plan in self._plans(config, target) if self._readable(plan, config, source))
        rows = max(1, target.height // max(1, plan.cycles // PIECE_CYCLES))
        sets = [(channels, self._rows(builder, channels, plan)) for channels in
                np.split(np.arange(target.channels), range(config.cols, target.channels, config.cols))]
        if target.height * target.width <= _FEW_PIXELS:
            return [Piece({self.sources[0]: Extent(source.height, int(block[0][-1]) + 1)},
                          Extent(0, int(block[0][-1]) + 1),
                          [partial(self._emit_rows, builder, source, target, plan, (0, target.height), block)])
                    for block in sets]
        return [Piece({self.sources[0]: Extent(self.last_row(y1), source.channels)}, Extent(y1, 0),
                      [partial(self._emit_rows, builder, source, target, plan, (y0, y1), block) for block in sets])
                for y0, y1, _, _ in chunks(target.height, 1, rows)]

    def _rows(self, builder, channels, plan):
        """A block's parameter set and weights as rows of the weight memory."""
        config, axis, lanes = builder.config, plan.axis, np.tile(channels, plan.fold)
        weights = np.moveaxis(self.weights[..., lanes], axis, 1)
        taps = plan.slide.taps(self.geometry.kernel[axis], self.geometry.dilation[axis], config.vector_taps)
        rows = np.zeros((len(weights), *taps.shape, config.cols), np.int8)
        rows[..., :len(lanes)] = np.where(taps[..., None] < 0, 0, weights[:, taps])
        parameters = builder.parameter_rows(*self.quantisation.columns(lanes))
        return np.concatenate([parameters, rows.reshape(-1, config.cols).view(np.uint8)])

    def _emit_rows(self, builder, source, target, plan, part, block):
        (y0, y1), (sy, sx), (top, left), q = part, self.geometry.stride, self.geometry.before, self.quantisation
        (kh, kw), (dy, dx), slide, c = self.geometry.kernel, self.geometry.dilation, plan.slide, source.channels
        channels, rows = block
        if plan.along == "x":
            pixel, lines = c, y1 - y0
            nest = dict(y_stride=sy * source.pitch, x_count=slide.steps(plan.outputs), tap1_count=kh,
                        tap1_stride=dy * source.pitch, out_y_stride=target.pitch, out_x_stride=target.channels)
        else:
            pixel, lines = source.pitch, target.width // plan.fold
            nest = dict(y_stride=plan.fold * sx * c, x_count=slide.steps(y1 - y0), tap1_count=kw,
                        tap1_stride=dx * c, out_y_stride=plan.fold * target.channels, out_x_stride=target.pitch)
        builder.configure(Unit.VECTOR, x_stride=slide.advance * pixel, tap0_count=slide.reads,
                          tap0_stride=slide.spread * pixel, first_column=slide.first, column_step=slide.apart,
                          zero_point=q.zero_point, minimum=q.minimum, maximum=q.maximum, **nest)
        slot = builder.load_parameters(Unit.VECTOR, rows)
        span = int(channels[0]), int(channels[-1]) + 1
        builder.vector(source.region(y0 * sy - top, self.last_row(y1), span), target.pixels(y0, y1, span), slot,
                       function=Function.DEPTHWISE, columns=plan.fold * len(channels), y_count=lines,
                       in_address=source.address(y0 * sy - top, -left) + slide.lead * pixel + span[0],
                       out_address=target.address(y0) + span[0])
