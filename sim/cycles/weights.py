"""The weight unit: when the rows of each Read_Weights are asked for and delivered, and when tiles are complete."""

from collections import deque
from fractions import Fraction

from systolith.rtl.isa import Destination
from systolith.rtl.tile_fifo import TileFifo
from systolith.rtl.weights import WeightUnit

__all__ = ["ExternalMemory", "OnChipMemory", "WeightPath"]

#: Cycles from a row that is taken out of the FIFO to the first in which another can be asked for.
_FREED = TileFifo.FREED + 1
#: Cycles in which an instruction without rows waits for its predecessor's last delivery: that none is outstanding is
#: found in registers.
_IDLE = 2


class OnChipMemory:
    """Answers a row a cycle.

    Members
    -------
    delay : int or None
        Cycles from asking for a row to its delivery, if they are always the same.
    """

    delay = WeightUnit.DELIVERY

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
        return cycle, cycle + self.delay, rows

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

    Members
    -------
    delay
        See `OnChipMemory`.
    """

    delay = None

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


class WeightPath:
    """The weight unit, as `rtl.weights`, with the weight FIFO and the shadow registers of the array behind it.

    Rows come and go in runs: (cycle of the first, number), a row a cycle. With `weight_path_rows` 2, what is
    said here of a row for the array goes for two.

    Parameters
    ----------
    config : Config
    memory : OnChipMemory or ExternalMemory
    queue : UnitQueue

    Members
    -------
    process : generator
        Of the weight unit.
    taken : list of runs
        The rows of the current tile that are in the shadow registers.
    progress : int
        Grows with the rows that have been taken into them.
    """

    def __init__(self, config, memory, queue):
        self._memory, self._queue, self._path = memory, queue, config.weight_path_rows
        self.process = self._run()
        # Weight unit: what is left of the instruction if it is for the array, when the next row can be asked for, when
        # the last was delivered.
        self._left, self._ask, self._delivered = 0, -_IDLE, -_IDLE - 1
        # FIFO: rows that the array may take from these cycles on; a row can be asked for _FREED cycles after that of a
        # row in `_room`.
        self._arrivals, self._room = deque(), deque([(-_FREED, config.weight_fifo_tiles * config.tile_beats)])
        # Shadow registers: rows of a tile, of which are missing, and when the next can be taken.
        self._rows = self._missing = config.tile_beats
        self._next = 0
        self.taken, self.progress = [], 0

    def _run(self):
        queue, memory = self._queue, self._memory
        start = -1  # when the last instruction left the register before the unit
        while True:
            while (offer := queue.next()) is None:
                yield
            instruction, offered = offer
            destination, _, count, _ = instruction.operands
            # It waits in the register before the unit.
            accepted = max(offered, start + 1)
            queue.accept(accepted)
            if not count:
                start = end = max(accepted + 1, self._delivered + _IDLE)
            else:
                start = memory.begin(max(accepted + 1, self._ask - 1))
                self._ask = start + 1
                if destination == Destination.ARRAY:
                    self._left = count // self._path
                    while self._left:
                        if self._room:
                            self._fetch()
                        else:
                            self._take()
                            if not self._room:
                                yield
                else:
                    while count:
                        first, delivery, rows = memory.read(self._ask, count)
                        self._ask, self._delivered = first + rows, delivery + rows - 1
                        count -= rows
                    self._ask = max(self._ask, start + 1 + WeightUnit.BUS_CYCLES)
                end = self._delivered
                memory.end(start, end)
            queue.retire(instruction, start, end)

    def _fetch(self):
        """Asks for rows for which there is room."""
        freed, places = self._room[0]
        ask = max(self._ask, freed + _FREED)
        first, delivery, rows = self._memory.read(ask, self._left if self._left < places else places)
        self._ask, self._delivered = first + rows, delivery + rows - 1
        if rows == places:
            self._room.popleft()
        else:
            self._room[0] = freed + rows, places - rows
        self._arrivals.append((delivery + TileFifo.ARRIVAL, rows))
        self._left -= rows

    def _take(self):
        """Takes what rows are known to come into the shadow registers, as far as they are missing."""
        while self._missing and self._arrivals:
            cycle, rows = _remove(self._arrivals, self._missing)
            run = max(cycle, self._next), rows
            self.taken.append(run)
            self._room.append(run)
            self._next = run[0] + rows
            self._missing -= rows
            self.progress += rows

    def load(self):
        """Takes the rows of a tile; returns whether it is known when it is complete."""
        self._take()
        while self._missing:
            before = self.progress
            next(self.process)
            self._take()
            if self.progress == before:
                return False
        return True

    @property
    def ready(self):
        """Cycle in which the last row of a complete tile is taken; it can become active in the same."""
        return self._next - 1

    def switch(self, cycle):
        """The tile becomes active in `cycle`: the shadow registers are free for the next."""
        self._next = cycle + 1
        self._missing = self._rows
        self.taken = []

    def pass_by(self, request, vectors, most):
        """Passes that follow each other without waiting, because each tile is taken right after the switch before it.

        A shortcut: `load` and `switch` for each would come to the same.

        Parameters
        ----------
        request : int
            Cycle in which the first pass can begin.
        vectors, most : int
            Vectors of a pass, and how many passes there are.

        Returns
        -------
        int
            How many begin at `request` and then every `vectors` cycles. It may be 0 though there are some.
        """
        rows, arrivals = self._rows, self._arrivals
        if len(arrivals) < most:
            next(self.process)
        if vectors < rows or self._missing % rows or request < self.ready + self._missing:
            return 0
        # When the tiles are taken, as far as they are not yet: those in the FIFO, if they are there ...
        takes = list(range(request + 1, request + 1 + (most - 1) * vectors, vectors))
        if self._missing:
            takes.insert(0, self._next)
        held = len(arrivals)
        for number, ((cycle, size), take) in enumerate(zip(arrivals, takes)):
            if size != rows or cycle > take:
                held = number
                del takes[held:]
                break
        # ... then those for which the weight unit, which waits for room, asks as soon as another was taken.
        asks, delay = 0, self._memory.delay
        if len(takes) > held and delay is not None and not self._room and self._ask <= takes[0] + _FREED:
            latency = _FREED + delay + TileFifo.ARRIVAL
            if rows + (held - 1) * vectors >= latency:
                asks = min(self._left // rows, len(takes))
        if asks:
            del takes[held + asks:]
            self._left -= asks * rows
            self._ask = takes[asks - 1] + _FREED + rows
            self._delivered = self._ask - 1 + delay
            # Only the last ones are there afterwards.
            stay = held + asks - len(takes)
            arrivals.extend([(take + latency, rows) for take in takes[max(asks - stay, 0):asks]])
            while len(arrivals) > stay:
                arrivals.popleft()
        else:
            del takes[held:]
            for _ in takes:
                arrivals.popleft()
        self._room.extend([(take, rows) for take in takes[asks:]])
        passes = len(takes) + (not self._missing)
        if passes:
            self.progress += passes * rows
            self.switch(request + (passes - 1) * vectors)
        return passes


def _remove(runs, most):
    """Removes the first run, or the first `most` rows of it, and returns it."""
    cycle, rows = runs[0]
    if rows <= most:
        return runs.popleft()
    runs[0] = (cycle + most, rows - most)
    return cycle, most
