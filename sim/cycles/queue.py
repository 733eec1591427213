"""The queue of a unit: when its instructions are offered to it.

Every instruction passes here, so that a comparison stands where `max` would be a call.
"""

from systolith.rtl.isa import Opcode
from systolith.rtl.waits import SemaphoreWait

__all__ = ["UnitQueue"]

_WAITS = SemaphoreWait.LATENCY


class UnitQueue:
    """The cycles in which the instructions of one unit pass the stages of `rtl.unit_queue`.

    Parameters
    ----------
    depth : int
        Of the FIFO.
    semaphores : Semaphores
    unit : Unit

    Members
    -------
    blocked : callable (unit, start, end) or None
        Told in which cycles the held instruction waits for a unit.
    pushed : list of (Instruction, cycle)
        Dispatched in these cycles.
    done : list of (Instruction, cycle of its push, cycle of its start)
        Work in order; its end is in the semaphores.
    """

    def __init__(self, depth, semaphores, unit):
        self._depth, self._met, self.blocked = depth, semaphores.met, None
        self._retired = semaphores.retired[unit]
        self.pushed, self.done = [], []
        self._loads = []  # when each left the FIFO to be held
        self._held = None  # the one of which it is not known yet when it leaves
        self._left = 0  # when the one before left: ended here, or was taken by the unit
        self._settled = 0  # how many have left for good

    def room(self):
        """First cycle in which the next push finds a place; None if that is not known yet."""
        # A place is free once the instruction that had it is held; a cycle later it is seen.
        index = len(self.pushed) - self._depth
        if index < 0:
            return 0
        return self._loads[index] + 2 if index < len(self._loads) else None

    @property
    def drained(self):
        """First cycle in which it is empty, provided that everything pushed was accepted."""
        return self._left + 1

    @property
    def settled(self):
        """Whether it is known when each instruction that was pushed was accepted."""
        return self._settled == len(self.pushed)

    @property
    def progress(self):
        """A number that grows with everything that becomes known."""
        return len(self.pushed) + len(self._loads) + self._settled + len(self._retired)

    def next(self):
        """The next instruction and the cycle in which it is offered, or None as long as that is not known."""
        loads = self._loads
        if self._held is None:
            if len(loads) == len(self.pushed):
                return None
            self._held, cycle = self.pushed[len(loads)]
            loads.append((cycle if cycle > self._left else self._left) + 1)
        instruction = self._held
        _, opcode, _, _, wait0, wait1, _ = instruction
        # Waits are looked at from the cycle after the load on.
        left = loads[-1] + 1 + _WAITS
        if wait0[0] or wait1[0]:
            left = self._wait(wait0, wait1, left)
            if left is None:
                return None
        self._held = None
        if opcode is Opcode.SYNCHRONISE:
            self._left = left
            self._settled += 1
            return self.next()
        return instruction, left

    def _wait(self, wait0, wait1, earliest):
        """Cycle in which the one held has no wait left, None if that is not known."""
        met0, met1 = self._met(*wait0), self._met(*wait1)
        if met0 is None or met1 is None:
            return None
        met0, met1 = met0 if met0 > earliest else earliest, met1 if met1 > earliest else earliest
        if self.blocked:
            # Until then the chip names the first that is not met.
            held = earliest - _WAITS
            self.blocked(wait0[0], held, met0)
            self.blocked(wait1[0], max(held, met0), met1)
        return met0 if met0 > met1 else met1

    def accept(self, cycle):
        """The unit takes the offered instruction in `cycle`."""
        self._left = cycle
        self._settled += 1

    def retire(self, instruction, start, end):
        """Work is done: the unit began it in `start`; `end` is the cycle of the retire pulse."""
        self.done.append((instruction, self.pushed[self._settled - 1][1], start))
        self._retired.append(end)
