"""Where a tensor lies in the unified buffer, and the plan that gives every tensor its place."""

import random
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Interval", "Lattice", "Layout", "PlanError", "image_of", "image_shape", "plan", "values_of"]


#: Orders of placement that `plan` tries.
_ATTEMPTS = 500

#: Pixels for which `Layout.region` lists channels one by one.
_MOST_PIXELS = 128


class PlanError(ValueError):
    """Tensors that do not fit into the unified buffer; the message is one full sentence."""


@dataclass(frozen=True)
class Layout:
    """An NHWC int8 tensor with its padding stored, seen as rows of pixels of channels.

    The padding right of a row is also the padding left of the next one: rows lie `pitch` bytes apart and the wider of
    the two paddings is stored once.

    Members
    -------
    height, width, channels : int
    top, bottom, left, right : int, stored padding in pixels
    fill : int, what the padding holds (int8), the zero point or, for maximum pooling, -128
    base : int, byte address of the first stored byte
    """
    height: int
    width: int
    channels: int
    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    fill: int = 0
    base: int = 0

    @property
    def pitch(self):
        """Bytes from one row to the next."""
        return (self.width + max(self.left, self.right)) * self.channels

    @property
    def step(self):
        """Bytes from one pixel of a row to the next."""
        return self.channels

    @property
    def origin(self):
        """Offset of pixel (0, 0) from `base`."""
        return self.top * self.pitch + self.left * self.channels

    @property
    def row_bytes(self):
        """Bytes of the pixels of one row, without padding."""
        return self.width * self.channels

    @property
    def size(self):
        """Bytes from `base` to the end of the last padding."""
        last = (self.left + self.width + self.right) * self.channels
        return (self.top + self.height + self.bottom - 1) * self.pitch + last

    @property
    def padded(self):
        """Whether there is any padding."""
        return bool(self.top or self.bottom or self.left or self.right)

    def offset(self, y, x=0):
        """Offset of a pixel from `base`; coordinates may lie in the padding."""
        return self.origin + y * self.pitch + x * self.channels

    def address(self, y, x=0):
        """Byte address of a pixel."""
        return self.base + self.offset(y, x)

    def from_row(self, first):
        """The tensor without the rows before one."""
        return replace(self, height=self.height - first, top=0, base=self.address(first, -self.left))

    def rows(self, first, last):
        """Bytes (start, stop) that rows first..last-1 and the padding beside them may touch, clipped to the tensor."""
        start = self.base + max(0, self.offset(first, -self.left))
        stop = self.base + min(self.size, self.offset(last - 1, self.width + self.right))
        return start, max(start, stop)

    def region(self, first, last, channels=None):
        """The bytes of rows first..last-1 with the padding beside them, as (start, stop) intervals.

        With `channels` (first, last) only those of each pixel: one interval a pixel, so only for small tensors.
        """
        if self._contiguous(first, last, channels):
            return [self.rows(first, last)]
        starts = (self.address(y, x) for y in range(max(first, -self.top), min(last, self.height + self.bottom))
                  for x in range(-self.left, self.width + self.right))
        return [(start + channels[0], start + channels[1]) for start in starts]

    def pixels(self, first, last, channels=None):
        """As `region`, without the padding before the first pixel and behind the last one: what writing them touches.

        The padding between two rows belongs to both: whoever reads one need not wait for who writes the other.
        """
        if self._contiguous(first, last, channels):
            return [(self.address(first), self.address(last - 1, self.width))]
        starts = (self.address(y, x) for y in range(first, last) for x in range(self.width))
        return [(start + channels[0], start + channels[1]) for start in starts]

    def _contiguous(self, first, last, channels):
        """Whether those channels of rows first..last-1 are taken for one interval."""
        return channels is None or channels == (0, self.channels) or (last - first) * self.width > _MOST_PIXELS

    def padding_runs(self):
        """The stored padding as (address, bytes, repetitions, distance) runs."""
        runs = []
        if self.origin:
            runs.append((self.base, self.origin, 1, 0))
        between = self.pitch - self.row_bytes
        if between and self.height > 1:
            runs.append((self.address(0, self.width), between, self.height - 1, self.pitch))
        end = self.offset(self.height - 1, self.width)
        if self.size > end:
            runs.append((self.base + end, self.size - end, 1, 0))
        return runs


@dataclass(frozen=True)
class Lattice:
    """Every so many rows and columns of a tensor, as a layer sees its target.

    Members
    -------
    tensor : Layout
    first : (y, x) of its first pixel
    stride : (y, x), rows and columns of the tensor from one of its own to the next
    """
    tensor: Layout
    first: tuple
    stride: tuple

    @property
    def height(self):
        """Number of rows."""
        return -(-(self.tensor.height - self.first[0]) // self.stride[0])

    @property
    def width(self):
        """Number of columns."""
        return -(-(self.tensor.width - self.first[1]) // self.stride[1])

    @property
    def channels(self):
        """As of the tensor."""
        return self.tensor.channels

    @property
    def pitch(self):
        """Bytes from one row to the next."""
        return self.stride[0] * self.tensor.pitch

    @property
    def step(self):
        """Bytes from one pixel of a row to the next."""
        return self.stride[1] * self.tensor.step

    def address(self, y, x=0):
        """Byte address of a pixel."""
        return self.tensor.address(self.first[0] + y * self.stride[0], self.first[1] + x * self.stride[1])

    def region(self, first, last, channels=None):
        """As `Layout.region`."""
        first, last = (self.first[0] + y * self.stride[0] for y in (first, last - 1))
        return self.tensor.region(first, last + 1, channels)

    def pixels(self, first, last, channels=None):
        """As `Layout.pixels`."""
        first, last = (self.first[0] + y * self.stride[0] for y in (first, last - 1))
        return self.tensor.pixels(first, last + 1, channels)

    def padding_runs(self):
        """None: the padding is the tensor's."""
        return []


def image_shape(shape):
    """(height, width, channels) under which a tensor of that shape is stored."""
    shape = (1,) * (2 - len(shape)) + tuple(shape)
    return int(np.prod(shape[:-2])), shape[-2], shape[-1]


def image_of(layout, values):
    """The bytes that the host writes at `layout.base`: the tensor with its padding.

    Parameters
    ----------
    layout : Layout
    values : int8 array of height * width * channels elements

    Returns
    -------
    int8 array of `layout.size` elements
    """
    image = np.full(layout.size + layout.pitch, layout.fill, np.int8)
    _rows(layout, image)[:] = np.asarray(values, np.int8).reshape(layout.height, layout.row_bytes)
    return image[:layout.size]


def values_of(layout, data):
    """The inverse of `image_of`: int8 array of height * width * channels elements."""
    image = np.frombuffer(bytes(data) + bytes(layout.pitch), np.int8)
    return _rows(layout, image).reshape(-1)


def _rows(layout, image):
    """The pixels in an image of the storage, one row each; the image must reach a pitch past the end."""
    return np.lib.stride_tricks.as_strided(image[layout.origin:], (layout.height, layout.row_bytes), (layout.pitch, 1))


@dataclass(frozen=True)
class Interval:
    """A tensor for the memory plan: bytes, and the first and last step in which it must keep its place."""
    key: int
    size: int
    first: int
    last: int


def plan(intervals, capacity):
    """Addresses for tensors that live at overlapping times.

    Each tensor goes to the lowest address that is free; the order decides how much is lost between them. Largest first
    is tried first, then order of time, then seeded shuffles until one fits.

    Parameters
    ----------
    intervals : list of Interval
    capacity : int, bytes

    Returns
    -------
    dict from key to address

    Errors
    ------
    PlanError
        If the tensors do not fit, with the sizes.
    """
    together = max((sum(o.size for o in intervals if o.first <= i.first <= o.last) for i in intervals), default=0)
    order = sorted(intervals, key=lambda i: (-i.size, i.first))
    best = None
    shuffle = random.Random(0).shuffle
    for attempt in range(_ATTEMPTS if together <= capacity else 1):
        placed = _first_fit(order)
        peak = max((address + i.size for i, address in placed), default=0)
        best = peak if best is None else min(best, peak)
        if peak <= capacity:
            return {interval.key: address for interval, address in placed}
        if attempt == 0:
            order.sort(key=lambda i: (i.first, -i.size))
        else:
            shuffle(order)
    raise PlanError(f"the tensors alive at one time take {together} bytes with their padding ({best} as they could be "
                    f"placed), but the unified buffer holds {capacity}")


def _first_fit(order):
    """(interval, address) of each, in that order, at the lowest address that is free while it lives."""
    placed = []
    for interval in order:
        address = 0
        for other, start in sorted(placed, key=lambda p: p[1]):
            if other.first <= interval.last and interval.first <= other.last:
                if start - address >= interval.size:
                    break
                address = max(address, start + other.size)
        placed.append((interval, address))
    return placed
