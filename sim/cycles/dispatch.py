"""Dispatch and the tag queue: in which cycle each instruction leaves for its unit, and when the program halts."""

from systolith.rtl.fetch import Fetch
from systolith.rtl.isa import Opcode
from systolith.rtl.tag_queue import TAG_QUEUE_DEPTH
from systolith.rtl.waits import SemaphoreWait

__all__ = ["Dispatch", "TagQueue"]

_INTERRUPT_BYTES = 2


class TagQueue:
    """The cycles in which tags ask for their snapshots, in order.

    Members
    -------
    pushed : list of (Instruction, int, int)
        The Tag, the count for which it waits, the cycle in which it was dispatched.
    snapshots : list of int
        The cycle of the snapshot of each, as far as they are known.
    """

    def __init__(self, semaphores):
        self._semaphores = semaphores
        self.pushed = []
        self.snapshots = []

    def push(self, instruction, count, cycle):
        """Takes a Tag whose unit must have retired `count` instructions."""
        self.pushed.append((instruction, count, cycle))

    def room(self):
        """As `UnitQueue.room`."""
        index = len(self.pushed) - TAG_QUEUE_DEPTH + 1
        if index < 0:
            return 0
        if index > len(self.snapshots):
            return None
        return max(self.pushed[index][2] + 1, self.snapshots[index - 1] if index else 0) + 1

    @property
    def settled(self):
        """Whether the snapshots of all tags so far are known."""
        return len(self.snapshots) == len(self.pushed)

    @property
    def drained(self):
        """First cycle in which no tag waits, provided that it is settled."""
        return self.snapshots[-1] + 1 if self.snapshots else 0

    def run(self):
        """The process."""
        while True:
            while self.settled:
                yield
            instruction, count, pushed = self.pushed[len(self.snapshots)]
            while (met := self._semaphores.met(instruction.operands[0], count)) is None:
                yield
            head = max(pushed + 1, self.snapshots[-1] if self.snapshots else 0) + 1
            self.snapshots.append(max(head + SemaphoreWait.LATENCY, met))


class Dispatch:
    """Hands out an instruction every second cycle, in order, as `rtl.dispatch`.

    Parameters
    ----------
    program : list of Instruction
        Its last is Halt.
    queues : dict from Unit to UnitQueue
    tags : TagQueue
    semaphores : Semaphores
    transmitter : Transmitter
        Which sends the packets of Interrupt.
    advance : dict from Unit to callable
        Lets the process of a unit go on.
    known : callable (function)
        Returns what the function returns, which is None as long as it is not known.
    """

    def __init__(self, program, queues, tags, semaphores, transmitter, advance, known):
        self._program, self._queues, self._tags, self._semaphores = program, queues, tags, semaphores
        self._transmitter, self._advance, self._known = transmitter, advance, known

    def run(self):
        """Returns the cycle in which Halt is done, the program's last."""
        dispatched, known, advance = dict.fromkeys(self._queues, 0), self._known, self._advance
        ways = {unit: (queue, queue.pushed, advance[unit]) for unit, queue in self._queues.items()}
        head = Fetch.FIRST
        for instruction in self._program:
            _, _, unit, work, *_ = instruction
            if unit:
                (queue, pushed, go_on), cycle = ways[unit], head
                room = queue.room()
                if room is None:
                    room = known(queue.room)
                if room > cycle:
                    cycle = room
                pushed.append((instruction, cycle))
                dispatched[unit] += work
                go_on()
            else:
                cycle = max(head + SemaphoreWait.LATENCY, self._met(*instruction.wait0), self._met(*instruction.wait1))
                if instruction.opcode is Opcode.INTERRUPT:
                    cycle = self._transmitter.send(cycle + 1, _INTERRUPT_BYTES) + 1
                elif instruction.opcode is Opcode.TAG:
                    unit, *_ = instruction.operands
                    cycle = max(cycle, known(self._tags.room))
                    self._tags.push(instruction, dispatched[unit], cycle)
            head = cycle + 2

        # Halt, at `cycle` at the earliest, sees two cycles late that everything before it is done; the sequencer sees
        # that in the next.
        ends = [*self._queues.values(), self._tags]
        known(lambda: all(end.settled for end in ends) or None)
        return 1 + max(cycle, *(self._met(*done) for done in dispatched.items()), *(end.drained + 2 for end in ends))

    def _met(self, unit, count):
        return self._known(lambda: self._semaphores.met(unit, count)) if count else 0
