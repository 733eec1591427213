"""The in-order instruction queue of one unit."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from .interfaces import PC_BITS, IssueLayout, field
from .isa import Opcode
from .waits import HEAD_BITS, SemaphoreLayout, Waits

__all__ = ["UnitQueue"]


class UnitQueue(wiring.Component):
    """Keeps the instructions of a unit in order and offers each once its waits hold.

    Behind a FIFO comes a register with the *held* instruction, whose waits are looked at. The units but HOST have
    another behind it, a `StreamRegister`, so that the waits of an instruction are done with while the unit is busy with
    the one before it. `Synchronise` ends in the held register.

    Parameters
    ----------
    config : Config
        `queue_depth` instructions fit in the FIFO.

    Members
    -------
    push : In(stream of IssueLayout)
        Legal instructions, one every second cycle at most.
    issue : Out(stream of IssueLayout)
        What the unit executes.
    semaphores : In(SemaphoreLayout)
    blocked_by : Out(3)
        The held instruction waits for this unit; else 0.
    empty : Out(1)
        No instruction is in the queue.
    waiting : Out(1)
        An instruction is held.
    pc : Out(16)
        Address of that instruction.

    Latency
    -------
    An instruction is offered 4 cycles after its push, or 2 after the semaphores reached its waits. One is issued every
    fourth cycle.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "push": In(stream.Signature(IssueLayout())), "issue": Out(stream.Signature(IssueLayout())),
            "semaphores": In(SemaphoreLayout(config)), "blocked_by": Out(3), "empty": Out(1), "waiting": Out(1),
            "pc": Out(PC_BITS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFO(width=IssueLayout().size, depth=self._config.queue_depth)
        m.submodules.waits = waits = Waits(self._config)

        held = Signal(IssueLayout(), reset_less=True)
        held_valid, room = Signal(), Signal(init=1)
        # Known a cycle ahead, before the one that arrives is counted.
        m.d.sync += room.eq(fifo.w_rdy & ~(self.push.valid & room))
        synchronise, leave, load, some = Signal(), Signal(), Signal(), Signal()
        # Whether there is one in the queue is in a register, as much moves with it.
        m.d.sync += some.eq(fifo.w_en | (some & ~(load & (fifo.level == 1))))
        m.d.comb += [
            fifo.w_data.eq(self.push.payload),
            fifo.w_en.eq(self.push.valid & room),
            self.push.ready.eq(room),
            synchronise.eq(field(held.word, Opcode.SYNCHRONISE, "opcode") == Opcode.SYNCHRONISE),
            leave.eq(held_valid & waits.met & (synchronise | self.issue.ready)),
            # Not in the cycle in which `held` leaves: that is known late.
            load.eq(some & ~held_valid),
            fifo.r_en.eq(load),
            waits.head.eq(held.word[:HEAD_BITS]),
            waits.restart.eq(load),
            waits.semaphores.eq(self.semaphores),
            self.issue.valid.eq(held_valid & waits.met & ~synchronise),
            self.issue.payload.eq(held),
            self.blocked_by.eq(Mux(held_valid, waits.blocked_by, 0)),
            self.waiting.eq(held_valid),
            self.pc.eq(held.pc),
            self.empty.eq((fifo.level == 0) & ~held_valid),
        ]

        with m.If(load):
            m.d.sync += [held.eq(fifo.r_data), held_valid.eq(1)]
        with m.Elif(leave):
            m.d.sync += held_valid.eq(0)
        return m
