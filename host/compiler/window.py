"""Layers that slide a window over one tensor: which part of the input a part of the output needs."""

from dataclasses import dataclass, replace

from .box import Box
from .layer import Layer, Padding, Quantisation

__all__ = ["Geometry", "WindowLayer"]


@dataclass(frozen=True)
class Geometry:
    """The sliding window of a layer, one entry for each axis (y, x).

    Output 0 begins `before` elements ahead of the stored input, in its padding; if negative, behind its first element.
    """
    kernel: tuple = (1, 1)
    stride: tuple = (1, 1)
    dilation: tuple = (1, 1)
    before: tuple = (0, 0)

    def span(self, axis, first, last):
        """Input elements along an axis, from one to before another, that outputs first..last-1 see."""
        begin = first * self.stride[axis] - self.before[axis]
        end = (last - 1) * self.stride[axis] - self.before[axis] + (self.kernel[axis] - 1) * self.dilation[axis] + 1
        return begin, end


@dataclass
class WindowLayer(Layer):
    """A layer whose outputs each come from a window of the one input.

    Members
    -------
    geometry : Geometry
    quantisation : Quantisation
    """
    geometry: Geometry = None
    quantisation: Quantisation = None

    def needs(self, box, shapes):
        rows, columns = (self.geometry.span(axis, *box[axis]) for axis in (0, 1))
        return {self.sources[0]: Box(rows, columns, self._input_channels(box.channels))}

    def part(self, box, held):
        seen, have = self.needs(box, None)[self.sources[0]], held[self.sources[0]]
        before = tuple(have[axis][0] - seen[axis][0] for axis in (0, 1))
        after = tuple(seen[axis][1] - have[axis][1] for axis in (0, 1))
        sides = [max(0, side) for side in (before[0], after[0], before[1], after[1])]
        padding = Padding(*sides, self.padding[self.sources[0]].fill if any(sides) else None)
        return replace(self, geometry=replace(self.geometry, before=before), padding={self.sources[0]: padding},
                       **self._parameters(*box.channels))

    def last_row(self, y1):
        """Input rows that output rows before y1 need, from the first."""
        return self.geometry.span(0, 0, y1)[1]

    def _input_channels(self, channels):
        """Input channels that a range of output channels needs: the same, where each is by itself."""
        return channels

    def _parameters(self, first, last):
        """The members that hold something for each output channel, cut to channels first..last-1."""
        return {"quantisation": self.quantisation.part(first, last)}
