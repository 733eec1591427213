"""Dispatch: from the decoded instruction stream to the queues of the units, and the semaphores that tell what is
done."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .fetch import DecodedLayout
from .interfaces import PC_BITS, IssueLayout, field
from .isa import Opcode
from .tag_queue import TAG_BITS, TagQueue
from .unit_queue import UnitQueue
from .waits import HEAD_BITS, SemaphoreLayout, Waits, units

__all__ = ["Dispatch", "WaitingLayout"]


class WaitingLayout(data.ArrayLayout):
    """By unit number, the oldest instruction that has not started; NONE's is the one at dispatch. Eight entries, so
    that any three bits are a good index."""
    def __init__(self):
        super().__init__(data.StructLayout({"valid": 1, "pc": PC_BITS}), 8)


class Dispatch(wiring.Component):
    """Hands out the instructions in program order, and executes those that belong to no unit.

    The instructions that it executes itself obey their waits, too, and hold up what comes after them. A fault in the
    instruction stream counts only when all work before it is done, as Halt does: it is precise.

    Parameters
    ----------
    config : Config

    Members
    -------
    instructions : In(stream of DecodedLayout)
        One every second cycle at most.
    issue : Out(stream of IssueLayout), one a unit, HOST first
    retire : In(number of units)
        Pulses, one bit a unit.
    interrupt : Out(stream of 16 bits)
        Codes for the host.
    snapshot : Out(1), tag : Out(12)
        Record the counters under this number.
    halt : Out(1)
        Halt is reached and everything before it is done.
    fault : Out(4)
        `isa.Fault` in the instruction stream; everything before it is done.
    pc : Out(16)
        Address of the instruction at dispatch.
    waiting : Out(WaitingLayout)
    blocked_by : Out(number of units x 3)
        For each unit the unit for which the head of its queue waits, or 0.
    progress : Out(1)
        Something was dispatched or issued, or the host has an interrupt to take.

    Latency
    -------
    A semaphore counts in the cycle after the retire pulse; an instruction that waited for it is offered 2 later.
    An interrupt is offered in the cycle after its waits are met; dispatch goes on in the cycle after it was taken.
    """

    def __init__(self, config):
        self._config = config
        count = len(units(config))
        super().__init__({
            "instructions": In(stream.Signature(DecodedLayout(config))),
            "issue": Out(stream.Signature(IssueLayout())).array(count),
            "retire": In(count),
            "interrupt": Out(stream.Signature(16)),
            "snapshot": Out(1), "tag": Out(TAG_BITS), "halt": Out(1), "fault": Out(4), "pc": Out(PC_BITS),
            "waiting": Out(WaitingLayout()), "blocked_by": Out(data.ArrayLayout(3, count)), "progress": Out(1)})

    def elaborate(self, platform):
        m = Module()
        config = self._config
        head = self.instructions.payload
        word = head.issue.word
        moves = Signal()
        semaphores = Signal(SemaphoreLayout(config))
        #: Work instructions dispatched, by unit number: where the semaphores will be when all is done.
        dispatched = Signal(SemaphoreLayout(config))
        m.d.comb += [
            moves.eq(self.instructions.valid & self.instructions.ready),
            self.pc.eq(head.issue.pc),
            self.waiting[0].valid.eq(self.instructions.valid),
            self.waiting[0].pc.eq(head.issue.pc),
        ]

        queues = [UnitQueue(config) for _ in units(config)]
        issued = []
        for i, (unit, queue) in enumerate(zip(units(config), queues, strict=True)):
            m.submodules[f"{unit.name.lower()}_queue"] = queue
            wiring.connect(m, queue.issue, wiring.flipped(self.issue[i]))
            m.d.comb += [
                queue.push.valid.eq(self.instructions.valid & head.queue[i]),
                queue.push.payload.eq(head.issue),
                queue.semaphores.eq(semaphores),
                self.waiting[unit].valid.eq(queue.waiting),
                self.waiting[unit].pc.eq(queue.pc),
                self.blocked_by[i].eq(queue.blocked_by),
            ]
            issued.append(queue.issue.valid & queue.issue.ready)
            with m.If(self.retire[i]):
                m.d.sync += semaphores[unit].eq(semaphores[unit] + 1)
            # A cycle late, for that something moves is known late. The next instruction is later still.
            counts = Signal(name=f"counts_{unit.name.lower()}")
            m.d.sync += counts.eq(moves & head.queue[i] & head.work)
            with m.If(counts):
                m.d.sync += dispatched[unit].eq(dispatched[unit] + 1)

        m.submodules.waits = waits = Waits(config)
        m.submodules.tags = tags = TagQueue(config)
        tag_unit = field(word, Opcode.TAG, "unit")
        m.d.comb += [
            waits.head.eq(word[:HEAD_BITS]),
            waits.restart.eq(moves | ~self.instructions.valid),
            waits.semaphores.eq(semaphores),
            tags.semaphores.eq(semaphores),
            tags.push.payload.tag.eq(field(word, Opcode.TAG, "tag")),
            tags.push.payload.unit.eq(tag_unit),
            tags.push.payload.count.eq(dispatched[tag_unit]),
            self.snapshot.eq(tags.snapshot),
            self.tag.eq(tags.tag),
            self.interrupt.payload.eq(field(word, Opcode.INTERRUPT, "code")),
            self.progress.eq(moves | Cat(issued).any() | self.interrupt.valid),
        ]

        # Two cycles late, for it compares so many bits; `moves` covers the instruction that has only just gone into a
        # queue. It stays there for longer than until it is counted.
        done, moved, quiet = Signal(len(queues) + 1), Signal(), Signal()
        m.d.sync += [
            done.eq(Cat(tags.empty, *(queue.empty & (semaphores[unit] == dispatched[unit])
                                      for unit, queue in zip(units(config), queues, strict=True)))),
            moved.eq(moves),
            quiet.eq(done.all() & ~moves & ~moved),
        ]

        # The host port is far: registers on the way there and back.
        interrupted = Signal()
        m.d.sync += [
            interrupted.eq(self.interrupt.valid & self.interrupt.ready),
            self.interrupt.valid.eq(self.instructions.valid & head.own.interrupt & waits.met & ~interrupted
                                    & ~(self.interrupt.valid & self.interrupt.ready)),
        ]
        m.d.comb += self.instructions.ready.eq(
            Cat(bit & queue.push.ready for bit, queue in zip(head.queue, queues, strict=True)).any()
            | interrupted | (waits.met & (head.own.nothing | (head.own.tag & tags.push.ready))))
        with m.If(self.instructions.valid):
            m.d.comb += [
                tags.push.valid.eq(head.own.tag & waits.met),
                self.halt.eq(head.own.halt & waits.met & quiet),
                self.fault.eq(Mux(quiet, head.fault, 0)),
            ]
        return m
