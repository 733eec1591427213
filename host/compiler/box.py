"""A part of a tensor: rows, columns and channels from one to before another."""

from typing import NamedTuple

__all__ = ["Box"]


class Box(NamedTuple):
    """Half-open ranges of an image's rows, columns and channels, each (first, last)."""
    rows: tuple
    columns: tuple
    channels: tuple

    @classmethod
    def whole(cls, shape):
        """All of an image of that (height, width, channels)."""
        return cls(*((0, size) for size in shape))

    @property
    def shape(self):
        """(height, width, channels)."""
        return tuple(last - first for first, last in self)

    @property
    def volume(self):
        """Number of elements."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def index(self):
        """What takes the box out of an array (height, width, channels)."""
        return tuple(slice(first, last) for first, last in self)

    def within(self, shape):
        """What of it lies in an image of that shape; of a box beside the image the row or column that is nearest."""
        def inside(first, last, size):
            first = min(max(0, first), size - 1)
            return first, max(min(size, last), first + 1)
        return Box(*(inside(*ends, size) for ends, size in zip(self, shape)))

    def hull(self, other):
        """The smallest box that holds both."""
        return Box(*((min(a, c), max(b, d)) for (a, b), (c, d) in zip(self, other)))
