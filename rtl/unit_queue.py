"""The in-order instruction queue of one unit."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .interfaces import PC_BITS, IssueLayout, field
from .isa import Opcode
from .waits import HEAD_BITS, SemaphoreLayout, Waits

__all__ = ["UnitQueue"]


class UnitQueue(wiring.Component):
    """Keeps the instructions of a unit in order and offers each once its waits hold.

    Behind a FIFO come two registers: the *held* instruction, whose waits are looked at, and the *offered* one. So the
    waits of an instruction are done with while the unit is busy with the one before it, and it is offered two cycles
    after that one was taken. `Synchronise` ends in the held register.

    Parameters
    ----------
    config : Config
        `queue_depth` instructions fit in the FIFO.

    Members
    -------
    push : In(stream of IssueLayout)
        Legal instructions.
    issue : Out(stream of IssueLayout)
        What the unit executes.
    semaphores : In(SemaphoreLayout)
    blocked_by : Out(3)
        Nothing is offered, because the held instruction waits for this unit; else 0.
    empty : Out(1)
        No instruction is in the queue.
    waiting : Out(1)
        An instruction is held or offered.
    pc : Out(16)
        Address of the oldest such instruction.

    Latency
    -------
    An instruction is offered 5 cycles after its push, or 2 cycles after the semaphores reached its waits. One is
    issued every third cycle.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "push": In(stream.Signature(IssueLayout())), "issue": Out(stream.Signature(IssueLayout())),
            "semaphores": In(SemaphoreLayout(config)), "blocked_by": Out(3), "empty": Out(1), "waiting": Out(1),
            "pc": Out(PC_BITS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=IssueLayout().size, depth=self._config.queue_depth)
        m.submodules.waits = waits = Waits(self._config)

        held = Signal(IssueLayout(), reset_less=True)
        held_valid = Signal()
        offered = Signal(IssueLayout(), reset_less=True)
        offered_valid = Signal()

        synchronise = Signal()
        free = Signal()
        leave = Signal()
        load = Signal()
        m.d.comb += [
            fifo.w_data.eq(self.push.payload),
            fifo.w_en.eq(self.push.valid),
            self.push.ready.eq(fifo.w_rdy),
            synchronise.eq(field(held.word, Opcode.SYNCHRONISE, "opcode") == Opcode.SYNCHRONISE),
            # Not in the cycle in which the unit takes what is offered: whether it does is known late, and it is far.
            free.eq(~offered_valid),
            leave.eq(held_valid & waits.met & (synchronise | free)),
            # Nor in the cycle in which `held` leaves.
            load.eq(fifo.r_rdy & ~held_valid),
            fifo.r_en.eq(load),
            waits.head.eq(held.word[:HEAD_BITS]),
            waits.restart.eq(load),
            waits.semaphores.eq(self.semaphores),
            self.issue.valid.eq(offered_valid),
            self.issue.payload.eq(offered),
            self.blocked_by.eq(Mux(held_valid & ~offered_valid, waits.blocked_by, 0)),
            self.waiting.eq(held_valid | offered_valid),
            self.pc.eq(Mux(offered_valid, offered.pc, held.pc)),
            self.empty.eq((fifo.level == 0) & ~self.waiting),
        ]

        with m.If(free):
            m.d.sync += [offered.eq(held), offered_valid.eq(leave & ~synchronise)]
        with m.Elif(self.issue.ready):
            m.d.sync += offered_valid.eq(0)
        with m.If(load):
            m.d.sync += [held.eq(fifo.r_data), held_valid.eq(1)]
        with m.Elif(leave):
            m.d.sync += held_valid.eq(0)
        return m
