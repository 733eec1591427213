"""Transposed convolution on the array: an ordinary one for each place of the output within a stride."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from .box import Box
from .layer import Extent, Layer, Padding, Quantisation
from .layout import Lattice
from .matrix import MatrixLayer
from .window import Geometry

__all__ = ["TransposedLayer"]


@dataclass
class TransposedLayer(Layer):
    """Each input element spreads the kernel, times its value, over the output.

    Output row y gets tap k of input row i where y + before = stride * i + k: rows whose y + before leave the same
    remainder have the same taps, of neighbouring inputs (Dumoulin and Visin 2016, "A guide to convolution arithmetic").

    Members
    -------
    weights : int8 array (kernel height, kernel width, input channels, output channels)
    quantisation : Quantisation, whose bias does not hold the input's zero point
    zero_point : int, of the input
    stride, before : (y, x), steps and padding of the convolution in the other direction
    first : (y, x), row and column of the input that are stored first
    table : int8 array (256,) or None, applied to the result
    """
    weights: np.ndarray = None
    quantisation: Quantisation = None
    zero_point: int = 0
    stride: tuple = (1, 1)
    before: tuple = (0, 0)
    first: tuple = (0, 0)
    table: np.ndarray | None = None

    slides = True

    @property
    def weight_bytes(self):
        return self.weights.size

    def work(self, config, layouts):
        target = layouts[self.target]
        return max(self.macs / config.macs, target.height * target.row_bytes / config.requantise_lanes)

    def _span(self, axis, first, last):
        """Input elements along an axis, from one to before another, that outputs first..last-1 read."""
        kernel, stride, before = self.weights.shape[axis], self.stride[axis], self.before[axis]
        # With a stride longer than the kernel there are outputs without a tap, which read an element for nothing.
        start = min(-(-(first + before - kernel + 1) // stride), (first + before) // stride)
        return start, (last - 1 + before) // stride + 1

    def needs(self, box, shapes):
        rows, columns = (self._span(axis, *box[axis]) for axis in (0, 1))
        return {self.sources[0]: Box(rows, columns, (0, self.weights.shape[2]))}

    def part(self, box, held):
        source, = self.sources
        have, seen = held[source], self.needs(box, None)[source]
        return replace(self, weights=self.weights[..., slice(*box.channels)],
                       quantisation=self.quantisation.part(*box.channels),
                       before=tuple(self.before[axis] + box[axis][0] for axis in (0, 1)),
                       first=tuple(have[axis][0] for axis in (0, 1)), padding={source: self.around(seen, have)})

    def around(self, seen, have):
        """The `Padding` of a box of the input of which more is read than there is."""
        sides = [max(0, side) for axis in (0, 1)
                 for side in (have[axis][0] - seen[axis][0], seen[axis][1] - have[axis][1])]
        return Padding(*sides, self.zero_point if any(sides) else None)

    def _phase(self, axis, place):
        """Taps, the last first, of the outputs at `place` within a stride, and the padding of their convolution."""
        kernel, stride = self.weights.shape[axis], self.stride[axis]
        start, tap = divmod(place + self.before[axis], stride)
        taps = list(range(tap, kernel, stride))[::-1] or [None]
        return taps, len(taps) - 1 - start + self.first[axis]

    def _weights(self, rows, columns):
        """The weights of some taps; zero for one that is None."""
        chosen = np.zeros((len(rows), len(columns), *self.weights.shape[2:]), np.int8)
        if None not in rows + columns:
            chosen[:] = self.weights[np.ix_(rows, columns)]
        return chosen

    def begin(self, builder, layouts):
        source, target = layouts[self.sources[0]], layouts[self.target]
        pieces = []
        for place in itertools.product(*map(range, self.stride)):
            lattice = Lattice(target, place, self.stride)
            if not (lattice.height > 0 and lattice.width > 0):
                continue
            (rows, top), (columns, left) = (self._phase(axis, place[axis]) for axis in (0, 1))
            weights = self._weights(rows, columns)
            sums = weights.astype(np.int64).sum(axis=(0, 1, 2))
            layer = MatrixLayer(
                self.name, self.kind, self.unit, self.sources, self.target, weights=weights,
                table=self.table, geometry=Geometry((len(rows), len(columns)), before=(top, left)),
                quantisation=replace(self.quantisation, bias=self.quantisation.bias - self.zero_point * sums))
            pieces += layer.begin(builder, {self.sources[0]: source, self.target: lattice})
        for piece in pieces:
            piece.makes = Extent(0, 0)
        return pieces
