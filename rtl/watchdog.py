"""The watchdog: a program whose units wait for each other for ever is a fault, not a silence."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .dispatch import WaitingLayout
from .interfaces import PC_BITS

__all__ = ["DEADLOCK_CYCLES", "Watchdog"]

#: Cycles without progress that are a deadlock; a multiple of 8.
DEADLOCK_CYCLES = 1 << 16


class Watchdog(wiring.Component):
    """Counts cycles without progress, and finds the instruction at which the program hangs.

    Members
    -------
    progress : In(1)
    waiting : In(WaitingLayout)
    deadlock : Out(1)
        This is the last of DEADLOCK_CYCLES cycles without progress.
    pc : Out(16)
        Then: the lowest address among the instructions that no unit has taken; programs have no branches, so this is
        the oldest of them. One that waits in the register before a unit counts as taken.
    """

    def __init__(self):
        super().__init__({"progress": In(1), "waiting": In(WaitingLayout()), "deadlock": Out(1), "pc": Out(PC_BITS)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(DEADLOCK_CYCLES))
        # Nothing moves, so there is time to look at one unit a cycle, over and over. No unit has the last two numbers:
        # the first is looked at again when the one before them is done with.
        candidate, begins = Signal(WaitingLayout().elem_shape), Signal()
        oldest = Signal(PC_BITS)
        index = count[:3]
        m.d.sync += [candidate.eq(self.waiting[index]), begins.eq(index == 0)]
        m.d.comb += [
            self.deadlock.eq(~self.progress & (count == DEADLOCK_CYCLES - 1)),
            self.pc.eq(oldest),
        ]
        with m.If(self.progress):
            m.d.sync += count.eq(0)
        with m.Else():
            m.d.sync += count.eq(count + 1)
        with m.If(begins | (candidate.valid & (candidate.pc < oldest))):
            m.d.sync += oldest.eq(candidate.pc)
        return m
