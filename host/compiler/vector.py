"""Layers of the vector unit: depthwise convolution, pooling, element-wise arithmetic."""

from dataclasses import dataclass, field

import numpy as np
from systolith.rtl.isa import Function, Unit

from .builder import PARAMETER_ROWS
from .layer import Layer, Quantisation, chunks
from .matrix import Geometry

__all__ = ["DepthwiseLayer", "ElementwiseLayer", "PoolLayer"]

#: Pieces of a layer are cut so that a later layer can start on the first: about this many cycles each.
_PIECE_CYCLES = 512


@dataclass
class DepthwiseLayer(Layer):
    """Depthwise convolution by a window that slides along x or along y, whichever takes fewer cycles.

    Sliding along y, neighbouring pixels may share the lanes if the stride along x is 1 and they have few channels.

    Members
    -------
    geometry : Geometry, dilation 1
    weights : int8 array (kernel height, kernel width, channels)
    quantisation : Quantisation
    """
    geometry: Geometry = None
    weights: np.ndarray = None
    quantisation: Quantisation = None

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

    def emit(self, builder, layouts):
        config, source, target = builder.config, layouts[self.sources[0]], layouts[self.target]
        cycles, along, fold = min(self._plans(config, target))
        rows = max(1, target.height // max(1, cycles // _PIECE_CYCLES))
        builder.fill(target.padding_runs(), target.fill, (target.base, target.base + target.size))
        sets = [self._store(builder, channels, along, fold) for channels in
                np.split(np.arange(target.channels), range(config.cols, target.channels, config.cols))]
        for y0, y1, _, _ in chunks(target.height, 1, rows):
            self._configure(builder, source, target, along, fold, y1 - y0)
            for channels, address, count in sets:
                self._emit_piece(builder, source, target, along, fold, (y0, y1), channels, address, count)

    def _store(self, builder, channels, along, fold):
        """A block's parameter set and weights in the weight memory: (channels, address, rows)."""
        config = builder.config
        lanes = np.tile(channels, fold)
        weights = self.weights if along == "x" else self.weights.swapaxes(0, 1)
        others, sliding, _ = weights.shape
        rows = np.zeros((others, config.vector_taps, config.cols), np.int8)
        rows[:, config.vector_taps - sliding:, :len(lanes)] = weights[:, :, lanes]
        parameters = builder.parameter_rows(*self.quantisation.columns(lanes))
        image = np.concatenate([parameters, rows.reshape(-1, config.cols).view(np.uint8)])
        return channels, builder.store(image), len(image)

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

    def _emit_piece(self, builder, source, target, along, fold, piece, channels, address, count):
        (y0, y1), (sy, _), (top, left) = piece, self.geometry.stride, self.geometry.before
        slot = builder.load_parameters(Unit.VECTOR, address, count)
        builder.vector([source.rows(y0 * sy - top, (y1 - 1) * sy - top + self.geometry.kernel[0])], target.rows(y0, y1),
                       slot, function=Function.DEPTHWISE, columns=fold * len(channels),
                       y_count=y1 - y0 if along == "x" else target.width // fold,
                       in_address=source.address(y0 * sy - top, -left) + int(channels[0]),
                       out_address=target.address(y0) + int(channels[0]))


@dataclass
class PoolLayer(Layer):
    """Sum, average or maximum of each window.

    Members
    -------
    geometry : Geometry, dilation 1
    function : Function.SUM, AVERAGE or MAXIMUM
    quantisation : Quantisation; of MAXIMUM only the clamp counts
    """
    geometry: Geometry = None
    function: Function = Function.SUM
    quantisation: Quantisation = None

    def emit(self, builder, layouts):
        config, source, target = builder.config, layouts[self.sources[0]], layouts[self.target]
        (kh, kw), (sy, sx), (top, left) = self.geometry.kernel, self.geometry.stride, self.geometry.before
        q, c = self.quantisation, source.channels
        builder.fill(target.padding_runs(), target.fill, (target.base, target.base + target.size))
        builder.configure(Unit.VECTOR, y_stride=sy * source.pitch, x_count=target.width, x_stride=sx * c, tap1_count=kh,
                          tap1_stride=source.pitch, tap0_count=kw, tap0_stride=c, out_y_stride=target.pitch,
                          out_x_stride=c, zero_point=q.zero_point, minimum=q.minimum, maximum=q.maximum)
        cycles = target.width * max(kh * kw, config.beats) * -(-c // config.cols)
        for y0, y1, _, _ in chunks(target.height, 1, max(1, _PIECE_CYCLES // cycles)):
            reads = source.rows(y0 * sy - top, (y1 - 1) * sy - top + kh)
            for first in range(0, c, config.cols):
                channels = np.arange(first, min(first + config.cols, c))
                slot = None
                if self.function is not Function.MAXIMUM:
                    address = builder.store(builder.parameter_rows(*q.columns(channels)))
                    slot = builder.load_parameters(Unit.VECTOR, address, PARAMETER_ROWS)
                builder.vector([reads], target.rows(y0, y1), slot, function=self.function, columns=len(channels),
                               y_count=y1 - y0, in_address=source.address(y0 * sy - top, -left) + first,
                               out_address=target.address(y0) + first)


@dataclass
class ElementwiseLayer(Layer):
    """Two tensors of one shape, element by element.

    Members
    -------
    function : Function.ADD, SUBTRACT, MULTIPLY or MAXIMUM
    registers : dict, the function's configuration registers (zero points, multipliers, shifts, clamp)
    """
    function: Function = Function.ADD
    registers: dict = field(default_factory=dict)

    def emit(self, builder, layouts):
        config, target = builder.config, layouts[self.target]
        a, b = (layouts[source] for source in self.sources)
        builder.fill(target.padding_runs(), target.fill, (target.base, target.base + target.size))
        height, row = target.height, target.row_bytes
        if all(t.pitch == t.row_bytes for t in (a, b, target)):
            # Nothing between the rows: one long row is as good, and leaves no short vector at each row's end.
            height, row = 1, height * row
        step = _PIECE_CYCLES // 2 * config.cols
        for y0, y1, x0, x1 in chunks(height, row, step, config.cols):
            start, stop = y0 * target.row_bytes + x0, (y1 - 1) * target.row_bytes + x1
            span = (start // target.row_bytes, -(-stop // target.row_bytes))
            whole, rest = divmod(x1 - x0, config.cols)
            for first, count, columns in ((x0, whole, config.cols), (x1 - rest, 1, rest)):
                if not count or not columns:
                    continue
                at_a, at_b = (t.address(y0) + first for t in (a, b))
                builder.configure(Unit.VECTOR, y_stride=a.pitch, x_count=count, x_stride=config.cols, tap1_count=1,
                                  tap0_count=2, tap0_stride=at_b - at_a, out_y_stride=target.pitch,
                                  out_x_stride=config.cols, **self.registers)
                # Operands of different pitch: the distance between them changes from row to row.
                together = a.pitch == b.pitch
                for y in range(y0, y1, y1 - y0 if together else 1):
                    if not together:
                        builder.configure(Unit.VECTOR, tap0_stride=(b.address(y) - a.address(y)))
                    builder.vector([a.rows(*span), b.rows(*span)], target.rows(*span), function=self.function,
                                   columns=columns, y_count=y1 - y0 if together else 1,
                                   in_address=a.address(y) + first, out_address=target.address(y) + first)
