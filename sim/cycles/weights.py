"""The weight unit: when the rows of each Read_Weights are asked for and delivered, and when tiles are complete."""

from collections import deque
from fractions import Fraction

from systolith.rtl.isa import Destination
from systolith.rtl.weights import WeightUnit

__all__ = ["ExternalMemory", "OnChipMemory", "TileLoader", "weight_unit"]

#: Cycles from the delivery of a row to the first in which the array can take it: into the FIFO, to its output.
_FIFO_LATENCY = 2
#: Cycles in which an instruction without rows waits for its predecessor's last delivery: `outstanding` is a register.
_IDLE = 1


class OnChipMemory:
    """Answers a row a cycle."""

    def begin(self, accepted):
        """First cycle in which an instruction that is offered can be accepted."""
        return accepted

    def read(self, cycle, rows):
        """Asks for the next rows from `cycle` on.

        Returns
        -------
        (int, int, int)
            Cycle in which the first row is asked for, cycle in which it is delivered, and how many of the rows follow
            a cycle apart both times.
        """
        return cycle, cycle + WeightUnit.DELIVERY, rows

    def end(self, accepted, delivered):
        """Notes an instruction's acceptance and its last delivery."""


class ExternalMemory:
    """Takes a request a cycle, and answers in order at a bounded rate.

    Row k arrives max(`latency` after its request, C / `bytes_per_cycle` after row k - 1), rounded up to a whole cycle.

    Parameters
    ----------
    cols : int
        Bytes a row.
    bytes_per_cycle : int or Fraction
    latency : int, cycles
        From the request at the chip's port to the row, at least 1.
    """

    def __init__(self, cols, bytes_per_cycle, latency):
        interval = max(Fraction(cols) / Fraction(bytes_per_cycle), 1)
        # Time in units of 1 / _unit cycles.
        self._interval, self._unit = interval.numerator, interval.denominator
        self._latency = latency
        self._row = None  # when the last one arrived, before rounding
        self._delivered = deque([-1] * WeightUnit.OUTSTANDING, WeightUnit.OUTSTANDING)
        self._purposes = deque([(-1, -1)] * WeightUnit.INSTRUCTIONS, WeightUnit.INSTRUCTIONS)

    def begin(self, accepted):
        """As `OnChipMemory.begin`: an instruction needs a place in the queue of purposes."""
        # As `UnitQueue.room`: the place is that of 7 before, which leaves when the one before that is delivered.
        return max(accepted, self._purposes[1][0] + 2, self._purposes[0][1] + 1)

    def read(self, cycle, rows):
        """As `OnChipMemory.read`, a row at a time."""
        asked = max(cycle, self._delivered[0] + 1)
        # One cycle in the register before the port.
        row = (asked + 1 + self._latency) * self._unit
        if self._row is not None:
            row = max(row, self._row + self._interval)
        self._row = row
        delivered = -(-row // self._unit) + 1
        self._delivered.append(delivered)
        return asked, delivered, 1

    def end(self, accepted, delivered):
        """As `OnChipMemory.end`."""
        self._purposes.append((accepted, delivered))


class TileLoader:
    """The weight FIFO and the shadow registers behind it.

    Rows come and go in runs: (cycle of the first, number), a row a cycle.

    Parameters
    ----------
    rows : int
        Of a tile.
    places : int
        Rows that the FIFO holds.

    Members
    -------
    arrivals : deque of runs
        Rows that the array may take from these cycles on.
    room : deque of runs
        A row for the FIFO can be asked for in the cycle after that of a row here.
    taken : list of runs
        The rows of the current tile.
    progress : int
        Runs taken so far.
    """

    def __init__(self, rows, places):
        self._rows = self._left = rows
        self._next = 0
        self.arrivals, self.room = deque(), deque([(-1, places)])
        self.taken = []
        self.progress = 0

    def load(self):
        """Takes what rows are known to come; returns whether the tile is complete."""
        while self._left and self.arrivals:
            cycle, rows = take(self.arrivals, self._left)
            run = max(cycle, self._next), rows
            self.taken.append(run)
            self.room.append(run)
            self._next = run[0] + rows
            self._left -= rows
            self.progress += 1
        return not self._left

    @property
    def ready(self):
        """Cycle in which the last row of a complete tile is taken; it can become active in the same."""
        return self._next - 1

    def switch(self, cycle):
        """The tile becomes active in `cycle`: the shadow registers are free for the next."""
        self._next = cycle + 1
        self._left = self._rows
        self.taken = []


def take(runs, most):
    """Removes the first run, or the first `most` rows of it, and returns it."""
    cycle, rows = runs[0]
    if rows <= most:
        return runs.popleft()
    runs[0] = (cycle + most, rows - most)
    return cycle, most


def weight_unit(queue, memory, loader):
    """Process of the weight unit, as `rtl.weights`."""
    asked = delivered = -_IDLE - 1  # the last row, so far
    while True:
        instruction, offered = yield from queue.next()
        left = instruction["count"]
        if not left:
            start = max(offered, delivered + _IDLE)
            queue.accept(start)
            queue.retire(instruction, start, start)
            continue
        start = memory.begin(max(offered, asked))
        queue.accept(start)
        cycle = start + 1
        to_array = instruction["destination"] == Destination.ARRAY
        while left:
            rows = left
            if to_array:
                while not loader.room:
                    loader.load()
                    if not loader.room:
                        yield
                cycle, rows = max(cycle, loader.room[0][0] + 1), min(left, loader.room[0][1])
            first, delivery, rows = memory.read(cycle, rows)
            if to_array:
                take(loader.room, rows)
                loader.arrivals.append((delivery + _FIFO_LATENCY, rows))
            asked, delivered = first + rows - 1, delivery + rows - 1
            cycle = asked + 1
            left -= rows
        memory.end(start, delivered)
        queue.retire(instruction, start, delivered)
