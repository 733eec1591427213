"""The sequencer of a compact chip: runs a program from its first instruction to Halt or to a fault."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..interfaces import PC_BITS, UnitPort
from ..isa import Fault
from ..packets import State
from ..tag_queue import TAG_BITS
from ..waits import units
from ..watchdog import DEADLOCK_CYCLES
from .issue import CompactIssue, SettingLayout

__all__ = ["CompactSequencer"]


class CompactSequencer(wiring.Component):
    """As `Sequencer`, with `CompactIssue` for its queues; a deadlock names the instruction that is not issued yet.

    Parameters
    ----------
    config : Config

    Members
    -------
    fetch, setting, blocked_by, blocked
        See `CompactIssue`.
    load : In(1)
        Pulse: `run_address` is where the next `run` starts.
    ready : In(1)
        A snapshot can be taken.
    run, run_address, reset, units, interrupt, clear, stopped, state, fault, fault_pc, snapshot, tag
        See `Sequencer`.

    Latency
    -------
    See `CompactIssue`.
    """

    def __init__(self, config):
        self._config = config
        self._issue = issue = CompactIssue(config)
        super().__init__({
            "fetch": issue.signature.members["fetch"], "setting": Out(SettingLayout(config)),
            "blocked_by": Out(3), "blocked": Out(len(units(config))),
            "load": In(1), "ready": In(1), "run": In(1), "run_address": In(PC_BITS), "reset": In(1),
            "units": In(UnitPort()).array(len(units(config))),
            "interrupt": Out(stream.Signature(16)),
            "clear": Out(1), "stopped": Out(1), "state": Out(State), "fault": Out(Fault), "fault_pc": Out(PC_BITS),
            "snapshot": Out(1), "tag": Out(TAG_BITS)})

    def elaborate(self, platform):
        m = Module()
        issue = self._issue
        m.submodules.issue = ResetInserter(self.clear)(issue)
        wiring.connect(m, issue.fetch, wiring.flipped(self.fetch))
        wiring.connect(m, issue.interrupt, wiring.flipped(self.interrupt))
        for port, unit in zip(issue.issue, self.units, strict=True):
            wiring.connect(m, port, wiring.flipped(unit.issue))

        running, progress, deadlock = Signal(), Signal(), Signal()
        still = Signal(range(DEADLOCK_CYCLES))
        m.d.comb += [
            running.eq(self.state == State.RUNNING), self.clear.eq(~running),
            issue.load.eq(self.load), issue.ready.eq(self.ready), issue.address.eq(self.run_address),
            issue.retire.eq(Cat(unit.retire for unit in self.units)),
            self.setting.eq(issue.setting), self.blocked_by.eq(issue.blocked_by), self.blocked.eq(issue.blocked),
            self.snapshot.eq(issue.snapshot), self.tag.eq(issue.tag),
            progress.eq(Cat(unit.active for unit in self.units).any() | issue.progress),
            deadlock.eq(~progress & (still == DEADLOCK_CYCLES - 1)),
        ]
        m.d.sync += still.eq(Mux(progress | self.clear, 0, still + 1))

        def stop(fault, pc):
            state = State.HALTED if fault is Fault.NONE else State.FAULTED
            m.d.sync += [self.state.eq(state), self.fault.eq(fault), self.fault_pc.eq(pc), self.stopped.eq(1)]

        m.d.sync += self.stopped.eq(0)
        with m.If(self.reset):
            m.d.sync += [self.state.eq(State.IDLE), self.fault.eq(Fault.NONE), self.fault_pc.eq(0)]
        with m.Elif(~running), m.If(self.run):
            m.d.sync += [self.state.eq(State.RUNNING), self.fault.eq(Fault.NONE), self.fault_pc.eq(0)]
        # A unit's fault is always of an older instruction than the one that is not issued yet.
        with m.Elif(self.units[0].fault != 0):
            stop(self.units[0].fault, self.units[0].fault_pc)
        for unit in list(self.units)[1:]:
            with m.Elif(unit.fault != 0):
                stop(unit.fault, unit.fault_pc)
        with m.Elif(issue.fault != 0):
            stop(issue.fault, issue.pc)
        with m.Elif(issue.halt):
            stop(Fault.NONE, 0)
        with m.Elif(deadlock):
            stop(Fault.DEADLOCK, issue.pc)
        return m
