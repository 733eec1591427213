"""The compact chip: when it does what.

Instructions are issued one after the other, so that a single walk over the program finds every event, but for rows of
weights: those for the array wait until it takes the tile before them, which a later instruction may do.
"""

from types import SimpleNamespace

from systolith.rtl.compact.counters import ROUND, TURN
from systolith.rtl.compact.issue import CompactIssue
from systolith.rtl.compact.matrix import CompactMatrixUnit
from systolith.rtl.compact.memory import FETCH_SLOTS, MATRIX_SLOTS, PERIOD, READ_LATENCY, WEIGHT_SLOTS, WRITE_SLOTS
from systolith.rtl.compact.requantise import CompactRequantise
from systolith.rtl.compact.row_activation import CompactRowActivation
from systolith.rtl.isa import Destination, Opcode, Unit
from systolith.rtl.serial_crc import SerialCrc
from systolith.rtl.waits import units

from .activity import Activity
from .host import Transmitter
from .instructions import CycleModelError, Registers
from .matrix import loops
from .vectors import Vectors

__all__ = ["CompactModel"]

#: Cycles between two vectors of a pass.
_PACE = PERIOD // len(MATRIX_SLOTS)


def _slot(cycle, slots):
    """First cycle from `cycle` on that is one of the slots."""
    return min(cycle + (slot - cycle) % PERIOD for slot in slots)


class CompactModel:
    """One run of a compact chip.

    Parameters
    ----------
    config : Config

    Members
    -------
    vectors : Vectors
    activities : dict of Activity
        By the other counters of `packets.COUNTERS`.
    queues : dict from Unit
        `done`: list of (Instruction, cycle of its issue, cycle of its start).
    retired : dict from Unit to list of int, cycles
    tags
        `pushed`: list of tuples that begin with the Tag; `snapshots`: list of int, cycles.
    """

    def __init__(self, config):
        self._config = config
        self._transmitter = Transmitter(-1 - ROUND, SerialCrc.CYCLES, latency=2)
        self._registers = Registers(Unit.MATRIX)
        self.activities = {name: Activity() for name in
                           ("weight_stall", "weight_shift", "raw_stall", "input_stall", "vector_active",
                            "activation_active")}
        self.vectors = Vectors(_PACE)
        self.queues = {unit: SimpleNamespace(done=[]) for unit in units(config)}
        self.retired = {unit: [] for unit in units(config)}
        self.tags = SimpleNamespace(pushed=[], snapshots=[])
        # First cycle in which each unit takes an instruction.
        self._ready = dict.fromkeys(units(config), 0)
        # Rows on their way into the array: what is left of the instruction, when each row of the tile came, and from
        # when on the shadow registers are free for it. And the cycle of the last row, whatever for.
        self._rows_left, self._taken, self._free, self._row = 0, [], 0, 0

    def run(self, program):
        """Finds when everything happens; returns the program's last cycle. `program` ends with Halt."""
        fetch = 0
        for instruction in program:
            for _ in range(CompactIssue.parts(self._config)):
                arrival = _slot(fetch, FETCH_SLOTS) + READ_LATENCY
                fetch = arrival
            cycle = arrival + CompactIssue.DECODE - 2
            for unit, count in (instruction.wait0, instruction.wait1):
                met = max(cycle, self._retire(unit, count) + 1 if unit and count else 0)
                if unit and instruction.unit == Unit.MATRIX:
                    self._blocked(unit, max(cycle, self._ready[Unit.MATRIX]), met)
                cycle = met + 1
            fetch = self._execute(instruction, cycle) + 1
        return max(cycle, *map(self._idle, self.retired))

    def _retire(self, unit, count):
        """Cycle in which a unit retires its `count`th work instruction, 0 for none."""
        if not count:
            return -1
        if count > len(self.retired[unit]):
            raise CycleModelError("the program never halts: an instruction waits for one that comes after it")
        return self.retired[unit][count - 1]

    def _idle(self, unit):
        """First cycle in which a unit has retired everything."""
        if unit == Unit.WEIGHT and self._rows_left:
            self._retire(unit, len(self.retired[unit]) + 1)
        return self._retire(unit, len(self.retired[unit])) + 1

    def _blocked(self, unit, start, end):
        if start < end:
            self.activities["input_stall" if unit == Unit.HOST else "raw_stall"].add(start, end)

    def _execute(self, instruction, cycle):
        """The instruction is ready in `cycle`; returns the cycle in which it leaves."""
        match instruction.opcode:
            case Opcode.INTERRUPT:
                return self._transmitter.send(cycle, 2)
            case Opcode.TAG:
                if self.tags.snapshots:
                    cycle = max(cycle, self.tags.snapshots[-1] + ROUND)
                cycle = max(cycle, self._idle(instruction.operands[0]))
                cycle += -(cycle + 1) % TURN
                self.tags.pushed.append((instruction,))
                self.tags.snapshots.append(cycle)
                return cycle
            case Opcode.NOP | Opcode.SYNCHRONISE | Opcode.HALT:
                return cycle
        unit = instruction.unit
        if unit == Unit.WEIGHT and self._rows_left:
            self._idle(unit)
        cycle = max(cycle, self._ready[unit])
        if instruction.opcode is Opcode.SET_CONFIGURATION:
            if unit == Unit.MATRIX:
                self._registers.write(instruction)
            return cycle + 1
        run = {Unit.WEIGHT: self._weights, Unit.MATRIX: self._matrix, Unit.ACTIVATION: self._activation}[unit]
        self.queues[unit].done.append((instruction, cycle, run(instruction, cycle)))
        return cycle

    def _end(self, unit, cycle):
        self.retired[unit].append(cycle)
        self._ready[unit] = cycle + 1

    # Units: an instruction is issued in `cycle`; each returns the cycle in which it starts

    def _activation(self, instruction, cycle):
        x_count, y_count, columns, _ = instruction.operands
        rows = x_count * y_count
        if self._config.requantises_rows:
            start = _slot(cycle + 1, CompactRowActivation.begin_slots(self._config)) + 1
            end = start + (max(rows, 1) - 1) * PERIOD + CompactRowActivation.write_latency(self._config)
        else:
            start = end = cycle + 1
            if rows:
                first = _slot(cycle, WRITE_SLOTS) + 1
                end = first + rows * columns * CompactRequantise.cycles(self._config.requantise_bits) - 1
        self.activities["activation_active"].add(start, end + 1)
        self._end(Unit.ACTIVATION, end)
        return start

    def _weights(self, instruction, cycle):
        destination, _, count, _ = instruction.operands
        start = cycle + 1
        if not count:
            self._end(Unit.WEIGHT, start)
        elif destination != Destination.ARRAY:
            self._row = start
            for _ in range(count):
                self._row = _slot(self._row, WEIGHT_SLOTS) + READ_LATENCY
            self._end(Unit.WEIGHT, self._row)
        else:
            self._rows_left, self._row = count, start
            self._fill()
        return start

    def _fill(self):
        """Takes rows until the tile is complete or no more are on their way; returns whether it is complete."""
        while self._rows_left and len(self._taken) < self._config.rows:
            self._row = _slot(max(self._row, self._free), WEIGHT_SLOTS) + READ_LATENCY
            self._taken.append(self._row)
            self._rows_left -= 1
            if not self._rows_left:
                self._end(Unit.WEIGHT, self._row)
        return len(self._taken) == self._config.rows

    def _matrix(self, instruction, cycle):
        vectors, passes, switch = loops(instruction, self._registers)
        start, request = cycle + 1, cycle + 2
        if not vectors or not passes:
            last = start
        for _ in range(passes if vectors else 0):
            ready = request
            if switch:
                if not self._fill():
                    raise CycleModelError("the program never halts: the array waits for weights that nothing fetches")
                ready = max(request, self._taken[-1])
                shifts = [taken for taken in self._taken if request <= taken < ready]
                self._stalls(request, ready, shifts)
            first = _slot(ready, MATRIX_SLOTS)
            if switch:
                self._taken, self._free = [], first + 1
            last = first + (vectors - 1) * _PACE
            self.vectors.add(first, vectors, 1, switch)
            request = last + 2
        self.retired[Unit.MATRIX].append(last + CompactMatrixUnit.retire_latency(self._config))
        self._ready[Unit.MATRIX] = last + 1
        self._fill()
        return start

    def _stalls(self, start, end, shifts):
        for taken in shifts:
            self.activities["weight_shift"].add(taken, taken + 1)
            if start < taken:
                self.activities["weight_stall"].add(start, taken)
            start = taken + 1
        if start < end:
            self.activities["weight_stall"].add(start, end)
