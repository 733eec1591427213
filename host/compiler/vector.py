"""Layers of the vector unit: pooling and element-wise arithmetic."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from systolith.rtl.isa import Function, Unit

from .layer import PIECE_CYCLES, Extent, Layer, Padding, Piece, chunks
from .window import WindowLayer

__all__ = ["ElementwiseLayer", "PoolLayer"]


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

    def work(self, config, layouts):
        return layouts[self.target].height * self._row_cycles(config, layouts[self.target])

    def _row_cycles(self, config, target):
        """Cycles of a row of the target, about."""
        kh, kw = self.geometry.kernel
        return -(-target.channels // config.cols) * target.width * max(kh * kw, config.vector_beats)

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
        spans = [(c, min(c + config.cols, source.channels)) for c in range(0, source.channels, config.cols)]
        cycles = self._row_cycles(config, target)
        columns = self._runs(1, 0, target.width, source.width)

        def atoms(y0, y1, span):
            return [partial(self._emit, builder, source, target, rows, run, span)
                    for rows in self._runs(0, y0, y1, source.height) for run in columns]

        if target.height == 1:
            return [Piece({self.sources[0]: Extent(source.height, span[1])}, Extent(0, span[1]), atoms(0, 1, span))
                    for span in spans]
        return [Piece({self.sources[0]: Extent(self.last_row(y1), source.channels)}, Extent(y1, 0),
                      [atom for span in spans for atom in atoms(y0, y1, span)])
                for y0, y1, _, _ in chunks(target.height, 1, max(1, PIECE_CYCLES // cycles))]

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
        builder.vector(source.region(top, top + (y1 - y0 - 1) * sy + kh, span), target.pixels(y0, y1, span),
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

    def prepare(self, builder, layouts):
        # In place, the operand's padding is there already.
        in_place = layouts[self.target].base in (layouts[source].base for source in self.sources)
        return [] if in_place else super().prepare(builder, layouts)

    def begin(self, builder, layouts):
        return self.pieces(builder, *(layouts[source] for source in self.sources), layouts[self.target])

    def pieces(self, builder, a, b, target):
        """`begin` for tensors of these layouts."""
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
        return [piece(*part) for part in chunks(height, row, PIECE_CYCLES // 4 * cols, cols)]

    def _emit_rows(self, builder, a, b, target, part, line, span):
        (y0, y1), (first, count, columns), cols = part, line, builder.config.cols
        address_a, address_b = (t.address(y0 + skip) + first for t, skip in zip((a, b), self.skip))
        reads = [t.rows(span[0] + skip, span[1] + skip) for t, skip in zip((a, b), self.skip)]
        builder.configure(Unit.VECTOR, y_stride=a.pitch, x_count=count, x_stride=cols, tap1_count=1, tap0_count=2,
                          tap0_stride=address_b - address_a, out_y_stride=target.pitch, out_x_stride=cols,
                          **self.registers)
        builder.vector(reads, target.pixels(*span), function=self.function, columns=columns, y_count=y1 - y0,
                       in_address=address_a, out_address=target.address(y0) + first)
