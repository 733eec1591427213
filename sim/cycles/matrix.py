"""The matrix unit: when each pass multiplies, and what it waits for."""

from systolith.rtl.isa import Opcode, Unit
from systolith.rtl.matrix import MatrixUnit

from .activity import Activity
from .instructions import Registers
from .vectors import Vectors

__all__ = ["Matrix", "loops"]


class Matrix:
    """The cycles of `rtl.matrix`.

    Parameters
    ----------
    config : Config
    weights : WeightPath

    Members
    -------
    vectors : Vectors
    activities : dict of Activity
        Those of the other counters of `packets.COUNTERS` that are about the matrix unit.
    """

    def __init__(self, config, weights):
        self._retire_latency = MatrixUnit.retire_latency(config)
        self._weights = weights
        self.vectors = Vectors()
        self.activities = {name: Activity() for name in ("weight_stall", "weight_shift", "raw_stall", "input_stall")}
        self._busy = Activity()  # what the array does, or waits for weights

    def blocked(self, unit, start, end):
        """The next instruction waits for `unit`, which counts where the array does nothing."""
        if unit and start < end:
            activity = self.activities["input_stall" if unit == Unit.HOST else "raw_stall"]
            for gap in self._busy.gaps(start, end):
                activity.add(*gap)

    def run(self, queue):
        """The process."""
        weights, registers = self._weights, Registers(Unit.MATRIX)
        # Of what came before: when it left the register `ahead`; its generator's last step; when its last request was
        # served, and the one before that.
        taken = stepped = served = before = -1
        while True:
            while (offer := queue.next()) is None:
                yield
            instruction, offered = offer
            accepted = max(offered, taken + 1)
            queue.accept(accepted)
            taken = max(accepted + 1, stepped)
            if instruction.opcode is Opcode.SET_CONFIGURATION:
                registers.write(instruction)
                continue
            vectors, passes, switch = loops(instruction, registers)
            # A step can be made in the cycle after the one in which the last request but one was served. Its own
            # request is there in the next cycle, once the one before is served.
            stepped = max(taken, before) + 1
            start = request = max(stepped, served) + 1
            if not vectors or not passes:
                before, served = served, request
            else:
                while passes:
                    first, count = request, weights.pass_by(request, vectors, passes) if switch else 0
                    if switch and not count:
                        while not weights.load():
                            yield
                        if weights.ready > request:
                            first = weights.ready
                            self._wait(request, first)
                        weights.switch(first)
                    count = count or 1
                    self.vectors.add(first, vectors, count, switch)
                    passes -= count
                    requests = vectors * count
                    if requests > 1:
                        # The second last was served in the cycle before.
                        stepped = max(stepped + 1, served + 1) if requests == 2 else first + requests - 2
                        before = first + requests - 2
                    else:
                        before = served
                    served = first + requests - 1
                    request = served + 1
                    if passes:
                        stepped = max(stepped, before) + 1
                self._busy.add(start, served + 1)
            queue.retire(instruction, start, served + self._retire_latency)

    def _wait(self, start, end):
        """Accounts for the cycles in which a vector waits for its tile."""
        for cycle, rows in self._weights.taken:
            if cycle > start:
                self.activities["weight_stall"].add(start, cycle)
                start = cycle
            stop = min(cycle + rows, end)
            if stop > start:
                self.activities["weight_shift"].add(start, stop)
                start = stop


def loops(instruction, registers):
    """Vectors of a pass, passes, and whether each takes a new tile."""
    first, second, *_ = instruction.operands
    if instruction.opcode is Opcode.MATRIX_MULTIPLY:
        return first, 1, second
    return first * second, registers["pass0_count"] * registers["pass1_count"], True
