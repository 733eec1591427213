"""In which cycles something happens."""

from bisect import bisect_left, bisect_right

__all__ = ["Activity"]


class Activity:
    """A set of cycles, kept as spans in the order of time."""

    def __init__(self):
        self._starts, self._ends = [], []
        self._before = []  # cycles in all spans before each

    def add(self, start, end):
        """Adds the cycles from `start` to `end` - 1; `start` is not before that of any span so far."""
        starts, ends = self._starts, self._ends
        if ends and start <= ends[-1]:
            ends[-1] = max(end, ends[-1])
            return
        self._before.append(self._before[-1] + ends[-1] - starts[-1] if ends else 0)
        starts.append(start)
        ends.append(end)

    def until(self, cycle):
        """How many of the cycles before `cycle` are in it."""
        last = bisect_left(self._starts, cycle) - 1
        return self._before[last] + min(self._ends[last], cycle) - self._starts[last] if last >= 0 else 0

    def gaps(self, start, end):
        """The spans between `start` and `end` that are not in it, in the order of time."""
        for index in range(bisect_right(self._ends, start), len(self._ends)):
            if start >= end:
                return
            if start < self._starts[index]:
                yield start, min(end, self._starts[index])
            start = self._ends[index]
        if start < end:
            yield start, end
