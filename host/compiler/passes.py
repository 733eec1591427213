"""How a contraction over scattered bytes becomes passes of the array over contiguous ones."""

import numpy as np

__all__ = ["Group", "cover", "group", "tiles"]


class Group:
    """Passes whose offsets form a nest of two loops: one Convolve instruction.

    Members
    -------
    offset : int, byte offset of the first pass
    count0, stride0 : int, inner loop
    count1, stride1 : int, outer loop
    """

    def __init__(self, offset, count0=1, stride0=0, count1=1, stride1=0):
        self.offset, self.count0, self.stride0 = offset, count0, stride0
        self.count1, self.stride1 = count1, stride1

    @property
    def passes(self):
        """Number of passes, each of which takes one weight tile."""
        return self.count0 * self.count1

    def split(self):
        """The same passes as two groups, the last (or the outer loop's last turn) by itself, if there are several."""
        if self.passes == 1:
            return [self]
        if self.count1 == 1:
            return [Group(self.offset, self.count0 - 1, self.stride0), Group(self.last)]
        end = self.offset + (self.count1 - 1) * self.stride1
        return [Group(self.offset, self.count0, self.stride0, self.count1 - 1, self.stride1),
                Group(end, self.count0, self.stride0)]

    @property
    def last(self):
        """Offset of the last pass."""
        return self.offset + (self.count0 - 1) * self.stride0 + (self.count1 - 1) * self.stride1


def cover(offsets, rows):
    """Fewest windows of `rows` consecutive bytes that hold all the offsets.

    What lies between the offsets in a window gets zero weights, so a window may span kernel rows.

    Parameters
    ----------
    offsets : sorted int array
    rows : int

    Returns
    -------
    list of int
        The windows' first offsets.
    """
    starts, index = [], 0
    while index < len(offsets):
        starts.append(int(offsets[index]))
        index = int(np.searchsorted(offsets, offsets[index] + rows))
    return starts


def group(starts):
    """The window starts, in their order, as few loop nests (`Group`)."""
    groups, index = [], 0
    while index < len(starts):
        best = Group(starts[index])
        for count0, stride0 in _runs(starts[index:]):
            inner = [k * stride0 for k in range(count0)]
            count1, stride1 = 1, 0
            while True:
                at = index + count1 * count0
                block = starts[at:at + count0]
                if len(block) < count0 or [b - block[0] for b in block] != inner:
                    break
                step = block[0] - starts[at - count0]
                if count1 > 1 and step != stride1:
                    break
                count1, stride1 = count1 + 1, step
            if count0 * count1 > best.passes:
                best = Group(starts[index], count0, stride0, count1, stride1)
        groups.append(best)
        index += best.passes
    return groups


def _runs(starts):
    """(count, stride) of every run of equal steps that begins `starts`."""
    yield 1, 0
    if len(starts) > 1:
        stride = starts[1] - starts[0]
        count = 2
        yield count, stride
        while count < len(starts) and starts[count] - starts[count - 1] == stride:
            count += 1
            yield count, stride


def tiles(offsets, weights, starts, rows, cols):
    """The weight tiles of the windows.

    Parameters
    ----------
    offsets : sorted int array (k,)
    weights : int8 array (k, n), n <= cols
        Weight of each offset for each output.
    starts : list of int
        As `cover` gives them.
    rows, cols : int

    Returns
    -------
    int8 array (windows, rows, cols)
    """
    out = np.zeros((len(starts), rows, cols), np.int8)
    window = np.searchsorted(starts, offsets, side="right") - 1
    out[window, np.asarray(offsets) - np.asarray(starts)[window], :weights.shape[1]] = weights
    return out
