"""The sequencer: runs a program from its first instruction to Halt or to a fault."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .dispatch import Dispatch
from .fetch import Fetch
from .interfaces import PC_BITS, MemoryWrite, UnitPort
from .isa import INSTRUCTION_BITS, Fault
from .one_hot import one_hot
from .packets import State
from .tag_queue import TAG_BITS
from .waits import units
from .watchdog import Watchdog

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Fetches and dispatches instructions, keeps the semaphores, and stops everything at Halt or a fault.

    Of faults in the same cycle the one of the lowest unit counts, then the instruction stream's, then DEADLOCK.

    Parameters
    ----------
    config : Config

    Members
    -------
    program : In(MemoryWrite(16, 128))
        To the instruction memory.
    run : In(1)
        Pulse: starts the program at `run_address`; ignored while one runs.
    run_address : In(16)
    reset : In(1)
        Pulse: gives the program up.
    units : In(UnitPort), one a unit, HOST first
    interrupt : Out(stream of 16 bits)
        Codes for the host.
    clear : Out(1)
        No program runs: all units are held in reset, from the third cycle after its last one on.
    counts : Out(1)
        A program runs, and nothing is held in reset.
    stopped : Out(1)
        Pulse in the first cycle after a program ended by Halt or a fault.
    state : Out(State), fault : Out(Fault), fault_pc : Out(16)
        For the status; `fault` and `fault_pc` are 0 without a fault.
    blocked_by : Out(number of units x 3)
        For each unit the unit for which the head of its queue waits, or 0.
    snapshot : Out(1), tag : Out(12)
        Record the counters under this number.

    Latency
    -------
    The first instruction is dispatched 13 cycles after `run`. What a unit shows counts in the next cycle,
    a fault in the one after that.
    """

    def __init__(self, config):
        self._config = config
        count = len(units(config))
        super().__init__({
            "program": In(MemoryWrite(PC_BITS, INSTRUCTION_BITS)),
            "run": In(1), "run_address": In(PC_BITS), "reset": In(1),
            "units": In(UnitPort()).array(count),
            "interrupt": Out(stream.Signature(16)),
            "clear": Out(1, init=1), "counts": Out(1), "stopped": Out(1),
            "state": Out(State), "fault": Out(Fault), "fault_pc": Out(PC_BITS),
            "blocked_by": Out(data.ArrayLayout(3, count)), "snapshot": Out(1), "tag": Out(TAG_BITS)})

    def elaborate(self, platform):
        m = Module()
        fetch, dispatch, watchdog = Fetch(self._config), Dispatch(self._config), Watchdog()
        for name, part in (("fetch", fetch), ("dispatch", dispatch), ("watchdog", watchdog)):
            m.submodules[name] = ResetInserter(self.clear)(part)
        wiring.connect(m, wiring.flipped(self.program), fetch.write)
        wiring.connect(m, fetch.instructions, dispatch.instructions)
        wiring.connect(m, dispatch.interrupt, wiring.flipped(self.interrupt))
        for i, unit in enumerate(self.units):
            wiring.connect(m, dispatch.issue[i], wiring.flipped(unit.issue))

        # `clear` goes to the resets of all units: behind two registers, which have the way to the global network of an
        # FPGA to themselves; `released` says the same here.
        running, clearing, released = Signal(), Signal(init=1), Signal()
        m.d.sync += [clearing.eq(~running), self.clear.eq(clearing), released.eq(~clearing)]
        progress = Signal()
        # What the host and the units show comes from all parts of the chip: registers before anything is made of it.
        run, reset, run_address = (delayed(m, value, 2) for value in (self.run, self.reset, self.run_address))
        retire, active = Signal(len(self.units)), Signal(len(self.units))
        # What ends a program. Only while it counts: the units and dispatch show it a little longer, until `clear`.
        sources = [(unit.fault, unit.fault_pc) for unit in self.units] + [(dispatch.fault, dispatch.pc)]
        faults = [delayed(m, fault, 1) for fault, _ in sources]
        pcs = [delayed(m, pc, 1) for _, pc in sources]
        failed, halt = Signal(len(sources)), Signal()
        m.d.sync += [
            retire.eq(Cat(unit.retire for unit in self.units)), active.eq(Cat(unit.active for unit in self.units)),
            failed.eq(Mux(self.counts, Cat(fault != Fault.NONE for fault, _ in sources), 0)),
            halt.eq(dispatch.halt & self.counts),
            progress.eq(active.any() | dispatch.progress),
        ]
        m.d.comb += [
            self.counts.eq(running & released),
            dispatch.retire.eq(retire),
            watchdog.progress.eq(progress),
            watchdog.waiting.eq(dispatch.waiting),
            self.blocked_by.eq(dispatch.blocked_by),
            self.snapshot.eq(dispatch.snapshot),
            self.tag.eq(dispatch.tag),
        ]

        # Of several the first, found in a cycle of its own. A unit's fault is always of an older instruction than what
        # is at dispatch, which does not halt after one.
        first, fault, pc, deadlock = Signal.like(failed), Signal(Fault), Signal(PC_BITS), Signal()
        m.d.comb += first.eq(Cat(failed[i] & ~failed[:i].any() for i in range(len(failed))))
        for chosen, values in ((fault, faults), (pc, pcs)):
            m.d.sync += chosen.eq(one_hot(first, values))
        stops = delayed(m, failed.any() & self.counts, 1)
        m.d.sync += deadlock.eq(watchdog.deadlock & self.counts)

        m.d.sync += self.stopped.eq(0)
        with m.If(reset):
            m.d.sync += [self.state.eq(State.IDLE), running.eq(0), self.fault.eq(Fault.NONE), self.fault_pc.eq(0)]
        with m.Elif(~running), m.If(run):
            m.d.sync += [self.state.eq(State.RUNNING), running.eq(1), self.fault.eq(Fault.NONE), self.fault_pc.eq(0),
                         fetch.address.eq(run_address)]
        with m.Elif(stops):
            m.d.sync += [self.state.eq(State.FAULTED), running.eq(0), self.fault.eq(fault), self.fault_pc.eq(pc),
                         self.stopped.eq(1)]
        with m.Elif(halt):
            m.d.sync += [self.state.eq(State.HALTED), running.eq(0), self.stopped.eq(1)]
        with m.Elif(deadlock):
            m.d.sync += [self.state.eq(State.FAULTED), running.eq(0), self.fault.eq(Fault.DEADLOCK),
                         self.fault_pc.eq(watchdog.pc), self.stopped.eq(1)]
        return m
