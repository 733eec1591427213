"""The activation unit of other chips in a compact one: an accumulator row every PERIOD cycles."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from ..activation import ActivationUnit
from ..isa import Unit
from ..waits import units
from .activation import activation_members
from .memory import PERIOD, WRITE_SLOTS

__all__ = ["CompactRowActivation"]


class CompactRowActivation(wiring.Component):
    """An `ActivationUnit` that has one instruction at a time, and writes in the slots of the memory.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit, setting, acc_row, acc_data, acc_fresh, load, write_slot, buffer
        As of `CompactActivationUnit`.

    Latency
    -------
    What is issued is taken in the next of `begin_slots(config)`, but not in the same cycle, and goes on as an
    `ActivationUnit` does.
    """

    #: Cycles in which a row of the accumulators stays at the port before each column's value is kept, see
    #: `CompactAccumulators`: one to read it, two until it is fresh.
    ACC_LATENCY = 3

    @classmethod
    def write_latency(cls, config):
        """Cycles from the first beat of an accumulator row to its write."""
        return ActivationUnit.write_latency(config, cls.ACC_LATENCY)

    @classmethod
    def begin_slots(cls, config):
        """Cycles, modulo PERIOD, in which an instruction is taken, so that its rows are written in the write slots."""
        slot, = WRITE_SLOTS
        return (slot - 1 - cls.write_latency(config)) % PERIOD,

    def __init__(self, config):
        self._config = config
        super().__init__(activation_members(config))

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.unit = unit = ActivationUnit(config, self.ACC_LATENCY, PERIOD)
        wiring.connect(m, wiring.flipped(self.load), unit.load)
        wiring.connect(m, unit.buffer, wiring.flipped(self.buffer))

        phase, running = Signal(range(PERIOD)), Signal()
        begin, = self.begin_slots(config)
        with m.If(self.write_slot):
            m.d.sync += phase.eq(WRITE_SLOTS[0] + 1)
        with m.Else():
            m.d.sync += phase.eq(phase + 1)
        issue = self.unit.issue
        with m.If(issue.valid):
            m.d.sync += running.eq(1)
        with m.If(unit.unit.retire):
            m.d.sync += running.eq(0)
        # An instruction's registers come one after the other, but it is at the port each time and is taken whole.
        setting = self.setting.en[units(config).index(Unit.ACTIVATION)]
        m.d.comb += [
            issue.ready.eq(~running), unit.begin.eq(phase == begin),
            unit.unit.issue.valid.eq(issue.valid & ~running | setting), unit.unit.issue.payload.eq(issue.payload),
            *(getattr(self.unit, name).eq(getattr(unit.unit, name))
              for name in ("retire", "active", "fault", "fault_pc")),
        ]

        m.d.comb += self.acc_row.eq(unit.acc_read.address)
        for c in range(config.cols):
            kept = Signal(32, name=f"kept{c}", reset_less=True)
            with m.If(self.acc_fresh[c]):
                m.d.sync += kept.eq(self.acc_data.word_select(c, 32))
            m.d.comb += unit.acc_read.data.word_select(c, 32).eq(kept)
        return m
