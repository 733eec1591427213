"""Layers of the vector unit: depthwise convolution, pooling, element-wise arithmetic."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from systolith.rtl.isa import Function, Unit

from .layer import Extent, Layer, Padding, Piece, chunks
from .window import WindowLayer

__all__ = ["DepthwiseLayer", "ElementwiseLayer", "PoolLayer"]

#: Pieces of a layer are cut so that a later layer can start on the first: about this many cycles each.
_PIECE_CYCLES = 512

#: Up to so many pixels a depthwise layer is cut by channels, as the array's layers of few vectors are.
_FEW_PIXELS = 64


@dataclass
class DepthwiseLayer(WindowLayer):
    """Depthwise convolution by a window that slides along x or along y, whichever takes fewer cycles.

    Sliding along y, neighbouring pixels may share the lanes if the stride along x is 1 and they have few channels.

    Members
    -------
    weights : int8 array (kernel height, kernel width, channels); dilation is 1
    """
    weights: np.ndarray = None

    slides = True

    @property
    def weight_bytes(self):
        return self.weights.size

    def _parameters(self, first, last):
        return {**super()._parameters(first, last), "weights": self.weights[..., first:last]}

    @staticmethod
    def fits(config, geometry):
        """Whether the unit of that configuration can do such a window."""
        taps, rows = config.vector_taps, config.vector_kernel_rows
        kh, kw = geometry.kernel
        return geometry.dilation == (1, 1) and ((kw <= taps and kh <= rows) or (kh <= taps and kw <= rows))

    def _plans(self, config, target):
        """Ways to do it: (cycles of a row of output, along, fold)."""
        (kh, kw), (sy, sx) = self.geometry.kernel, self.geometry.stride
        beats, taps, limit = config.beats, config.vector_taps, config.vector_kernel_rows
        blocks = -(-target.channels // config.cols)
        if kw <= taps and kh <= limit:
            yield blocks * target.height * ((target.width - 1) * sx + kw) * max(kh, beats), "x", 1
        if kh <= taps and kw <= limit:
            for fold in range(1, max(1, config.cols // target.channels) + 1):
                if target.width % fold == 0 and (fold == 1 or sx == 1):
                    steps = (target.height - 1) * sy + kh
                    yield blocks * (target.width // fold) * steps * max(kw, beats), "y", fold

    def begin(self, builder, layouts):
        config, source, target = builder.config, layouts[self.sources[0]], layouts[self.target]
        cycles, along, fold = min(self._plans(config, target))
        rows = max(1, target.height // max(1, cycles // _PIECE_CYCLES))
        builder.fill_padding(target)
        sets = [(channels, self._rows(builder, channels, along, fold)) for channels in
                np.split(np.arange(target.channels), range(config.cols, target.channels, config.cols))]
        if target.height * target.width <= _FEW_PIXELS:
            return [Piece({self.sources[0]: Extent(source.height, int(block[0][-1]) + 1)},
                          Extent(0, int(block[0][-1]) + 1),
                          [partial(self._emit_rows, builder, source, target, along, fold, (0, target.height), block)])
                    for block in sets]
        return [Piece({self.sources[0]: Extent(self.last_row(y1), source.channels)}, Extent(y1, 0),
                      [partial(self._emit_rows, builder, source, target, along, fold, (y0, y1), block)
                       for block in sets])
                for y0, y1, _, _ in chunks(target.height, 1, rows)]

    def _rows(self, builder, channels, along, fold):
        """A block's parameter set and weights as rows of the weight memory."""
        config = builder.config
        lanes = np.tile(channels, fold)
        weights = self.weights if along == "x" else self.weights.swapaxes(0, 1)
        others, sliding, _ = weights.shape
        rows = np.zeros((others, config.vector_taps, config.cols), np.int8)
        rows[:, config.vector_taps - sliding:, :len(lanes)] = weights[:, :, lanes]
        parameters = builder.parameter_rows(*self.quantisation.columns(lanes))
        return np.concatenate([parameters, rows.reshape(-1, config.cols).view(np.uint8)])

    def _configure(self, builder, source, target, along, fold, rows):
        (kh, kw), (sy, sx) = self.geometry.kernel, self.geometry.stride
        q, c = self.quantisation, source.channels
        if along == "x":
            nest = dict(y_stride=sy * source.pitch, x_count=(target.width - 1) * sx + kw, x_stride=c, tap1_count=kh,
                        tap1_stride=source.pitch, first_column=kw - 1, column_step=sx,
                        out_y_stride=target.pitch, out_x_stride=target.channels)
        else:
            nest = dict(y_stride=fold * sx * c, x_count=(rows - 1) * sy + kh, x_stride=source.pitch, tap1_count=kw,
                        tap1_stride=c, first_column=kh - 1, column_step=sy,
                        out_y_stride=fold * target.channels, out_x_stride=target.pitch)
        builder.configure(Unit.VECTOR, tap0_count=1, zero_point=q.zero_point, minimum=q.minimum, maximum=q.maximum,
                          **nest)

    def _emit_rows(self, builder, source, target, along, fold, part, block):
        (y0, y1), (sy, _), (top, left) = part, self.geometry.stride, self.geometry.before
        channels, rows = block
        self._configure(builder, source, target, along, fold, y1 - y0)
        slot = builder.load_parameters(Unit.VECTOR, rows)
        span = int(channels[0]), int(channels[-1]) + 1
        builder.vector(source.region(y0 * sy - top, self.last_row(y1), span), target.region(y0, y1, span), slot,
                       function=Function.DEPTHWISE, columns=fold * len(channels),
                       y_count=y1 - y0 if along == "x" else target.width // fold,
                       in_address=source.address(y0 * sy - top, -left) + span[0],
                       out_address=target.address(y0) + span[0])


@dataclass
class PoolLayer(WindowLayer):
    """Sum, average or maximum of each window.

    The average is that of a window's elements inside the image: where the image ends within a window, it is a smaller
    one. For the maximum, padding that no element is less than is stored.

    Members
    -------
    function : Function.SUM, AVERAGE or MAXIMUM; of MAXIMUM's quantisation only the clamp counts; dilation is 1
    dividers : dict from a number of elements to (multiplier, shift), for the averages that are not of a whole window
    """
    function: Function = Function.SUM
    dividers: dict = field(default_factory=dict)

    slides = True

    def part(self, box, held):
        layer = super().part(box, held)
        return layer if self.function is Function.MAXIMUM else replace(layer, padding={self.sources[0]: Padding()})

    def _runs(self, axis, first, last, size):
        """Outputs first..last-1 along an axis in runs of equal windows: (first, last, first element, elements)."""
        stride, before, kernel = (part[axis] for part in (self.geometry.stride, self.geometry.before,
                                                          self.geometry.kernel))
        runs = []
        for output in range(first, last):
            start, stop = output * stride - before, output * stride - before + kernel
            if self.function is Function.AVERAGE:
                start, stop = max(0, start), min(size, stop)
            whole = stop - start == kernel
            if runs and whole and runs[-1][3] == kernel:
                runs[-1][1] = output + 1
            else:
                runs.append([output, output + 1, start, stop - start])
        return runs

    def begin(self, builder, layouts):
        config, source, target = builder.config, layouts[self.sources[0]], layouts[self.target]
        kh, kw = self.geometry.kernel
        spans = [(c, min(c + config.cols, source.channels)) for c in range(0, source.channels, config.cols)]
        cycles = target.width * max(kh * kw, config.beats) * len(spans)
        columns = self._runs(1, 0, target.width, source.width)
        builder.fill_padding(target)

        def atoms(y0, y1, span):
            return [partial(self._emit, builder, source, target, rows, run, span)
                    for rows in self._runs(0, y0, y1, source.height) for run in columns]

        if target.height == 1:
            return [Piece({self.sources[0]: Extent(source.height, span[1])}, Extent(0, span[1]), atoms(0, 1, span))
                    for span in spans]
        return [Piece({self.sources[0]: Extent(self.last_row(y1), source.channels)}, Extent(y1, 0),
                      [atom for span in spans for atom in atoms(y0, y1, span)])
                for y0, y1, _, _ in chunks(target.height, 1, max(1, _PIECE_CYCLES // cycles))]

    def _emit(self, builder, source, target, rows, columns, span):
        """Outputs whose windows are equal."""
        (sy, sx), q, c = self.geometry.stride, self.quantisation, source.channels
        (y0, y1, top, kh), (x0, x1, left, kw) = rows, columns
        builder.configure(Unit.VECTOR, y_stride=sy * source.pitch, x_count=x1 - x0, x_stride=sx * c, tap1_count=kh,
                          tap1_stride=source.pitch, tap0_count=kw, tap0_stride=c, out_y_stride=target.pitch,
                          out_x_stride=c, zero_point=q.zero_point, minimum=q.minimum, maximum=q.maximum)
        slot = None
        if self.function is not Function.MAXIMUM:
            bias, *divider = q.columns(np.arange(*span))
            if kh * kw in self.dividers:
                divider = (np.full_like(bias, value) for value in self.dividers[kh * kw])
            slot = builder.load_parameters(Unit.VECTOR, builder.parameter_rows(bias, *divider))
        builder.vector(source.region(top, top + (y1 - y0 - 1) * sy + kh, span), target.region(y0, y1, span),
                       slot, function=self.function, columns=span[1] - span[0], y_count=y1 - y0,
                       in_address=source.address(top, left) + span[0], out_address=target.address(y0, x0) + span[0])


@dataclass
class ElementwiseLayer(Layer):
    """Two tensors of one shape, element by element.

    Members
    -------
    function : Function.ADD, SUBTRACT, MULTIPLY or MAXIMUM
    registers : dict, the function's configuration registers (zero points, multipliers, shifts, clamp)
    skip : tuple of int, rows that each source holds ahead of the target's first
    """
    function: Function = Function.ADD
    registers: dict = field(default_factory=dict)
    skip: tuple = (0, 0)

    def needs(self, box, shapes):
        return dict.fromkeys(self.sources, box)

    def part(self, box, held):
        return replace(self, skip=tuple(box.rows[0] - held[source].rows[0] for source in self.sources))

    def begin(self, builder, layouts):
        target = layouts[self.target]
        a, b = (layouts[source] for source in self.sources)
        if target.base not in (a.base, b.base):  # in place, the operand's padding is there already
            builder.fill_padding(target)
        height, row = target.height, target.row_bytes
        if all(t.pitch == t.row_bytes for t in (a, b, target)):
            # Nothing between the rows: one long row is as good, and leaves no short vector at each row's end.
            height, row = 1, height * row

        def piece(y0, y1, x0, x1):
            start, stop = y0 * target.row_bytes + x0, (y1 - 1) * target.row_bytes + x1
            span = start // target.row_bytes, -(-stop // target.row_bytes)
            needs = {source: Extent(span[1] + skip, target.channels) for source, skip in zip(self.sources, self.skip)}
            # Operands of different pitch: the distance between them changes from row to row.
            step = y1 - y0 if a.pitch == b.pitch else 1
            whole, rest = divmod(x1 - x0, cols)
            lines = [line for line in ((x0, whole, cols), (x1 - rest, 1, rest)) if line[1] and line[2]]
            return Piece(needs, Extent(stop // target.row_bytes, 0),
                         [partial(self._emit_rows, builder, a, b, target, (y, y + step), line, span)
                          for line in lines for y in range(y0, y1, step)])

        cols = builder.config.cols
        return [piece(*part) for part in chunks(height, row, _PIECE_CYCLES // 4 * cols, cols)]

    def _emit_rows(self, builder, a, b, target, part, line, span):
        (y0, y1), (first, count, columns), cols = part, line, builder.config.cols
        address_a, address_b = (t.address(y0 + skip) + first for t, skip in zip((a, b), self.skip))
        reads = [t.rows(span[0] + skip, span[1] + skip) for t, skip in zip((a, b), self.skip)]
        builder.configure(Unit.VECTOR, y_stride=a.pitch, x_count=count, x_stride=cols, tap1_count=1, tap0_count=2,
                          tap0_stride=address_b - address_a, out_y_stride=target.pitch, out_x_stride=cols,
                          **self.registers)
        builder.vector(reads, [target.rows(*span)], function=self.function, columns=columns, y_count=y1 - y0,
                       in_address=address_a, out_address=target.address(y0) + first)
