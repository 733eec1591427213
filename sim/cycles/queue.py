"""The queue of a unit: when its instructions are offered to it."""

from systolith.rtl.isa import Opcode

__all__ = ["UnitQueue"]


class UnitQueue:
    """The cycles in which the instructions of one unit pass the stages of `rtl.unit_queue`.

    Parameters
    ----------
    depth : int
        Of the FIFO: a memory of `depth` - 1 and its output register.
    semaphores : Semaphores
    unit : Unit

    Members
    -------
    blocked : callable (unit, start, end) or None
        Told in which cycles the held instruction waits for a unit while nothing is offered.
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
        self._left = 0  # when the one before left
        self._accepted = -1  # when the unit took the one offered last
        self._settled = 0  # how many have left for good

    @property
    def crowded(self):
        """Whether the next push has to wait until there is room."""
        return len(self.pushed) >= self._depth - 1

    def room(self):
        """First cycle in which it finds a place, if it is crowded; None if that is not known yet."""
        # A place is free once the instruction that had it has moved on to the output register.
        index = len(self.pushed) - self._depth + 1
        if index > len(self._loads):
            return None
        return max(self.pushed[index][1] + 1, self._loads[index - 1] if index else 0) + 1

    @property
    def drained(self):
        """First cycle in which it is empty, provided that everything pushed was accepted."""
        return max(self._left, self._accepted) + 1

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
        loads, pushed = self._loads, self.pushed
        while self._held or len(loads) < len(pushed):
            if not self._held:
                self._held, cycle = pushed[len(loads)]
                loads.append(max(cycle + 2, self._left))
            instruction = self._held
            # Waits are looked at in the cycle after the load and met in the next at the earliest. Until then the chip
            # names the first that is not.
            left = loads[-1] + 2
            if instruction.wait0[0] or instruction.wait1[0]:
                met0, met1 = self._met(*instruction.wait0), self._met(*instruction.wait1)
                if met0 is None or met1 is None:
                    return None
                if self.blocked:
                    held = max(loads[-1], self._accepted) + 1
                    self.blocked(instruction.wait0[0], held, max(met0, left))
                    self.blocked(instruction.wait1[0], max(held, met0, left), max(met1, left))
                left = max(left, met0, met1)
            self._held = None
            if instruction.opcode is not Opcode.SYNCHRONISE:
                self._left = left = max(left, self._accepted)
                return instruction, left + 1
            self._left = left
            self._settled += 1
        return None

    def accept(self, cycle):
        """The unit takes the offered instruction in `cycle`."""
        self._accepted = cycle
        self._settled += 1

    def retire(self, instruction, start, end):
        """Work is done: the unit began it in `start`; `end` is the cycle of the retire pulse."""
        self.done.append((instruction, self.pushed[self._settled - 1][1], start))
        self._retired.append(end)
