"""The activation unit: executes Activate, from the accumulators through the requantise lanes to the unified buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import DelayMemory, delayed
from .function_table import FunctionTable, FunctionTables, table_rows
from .interfaces import BufferWrite, IssueLayout, LoadBus, MemoryRead, UnitPort, field
from .isa import CONFIG, TABLE, Destination, Fault, Opcode, Unit
from .parameters import ParameterStore
from .requantise import RequantiseLane
from .stamp import place
from .stream_register import StreamRegister

__all__ = ["ActivationUnit"]

#: Cycles from a beat in the sequencing of a row to its values at the lanes, but for those of the accumulators: the
#: check's, two registers behind the accumulators, as they are memories all over the chip, and one behind the choice of
#: the beat.
FETCH_LATENCY = 4
#: Cycles from there to its results.
LANE_LATENCY = RequantiseLane.LATENCY + FunctionTable.LATENCY


class ActivationUnit(wiring.Component):
    """Requantises an accumulator row in `beats` cycles and writes it in one; a row every `pace` cycles.

    Rows before one that is out of range are written before the fault. The accumulators are checked first.

    Parameters
    ----------
    config : Config
    acc_latency : int, cycles
        From an address of `acc_read`, which then stays for `pace` cycles, to its data.
    pace : int, cycles, optional
        At least `beats`, which it is by default.

    Members
    -------
    unit : Out(UnitPort())
    begin : In(1), only if there is a `pace`
        An Activate may be taken in this cycle; without the port, always.
    acc_read : Out(MemoryRead(14, 32 * cols))
        Column c in bits 32*c.
    load : In(LoadBus(config))
        Parameter sets and the function table. Reset does not change what is loaded.
    buffer : Out(BufferWrite(cols))

    Latency
    -------
    An instruction is taken a cycle after its issue, or when it may. The first row begins a cycle after that, and one
    follows every `pace` cycles, across instructions (one without rows takes as long as a row). Its accumulators are
    read a cycle after that, and it is written `write_latency(config, acc_latency)` cycles after that beginning, the
    last one together with `retire`.
    """

    @staticmethod
    def write_latency(config, acc_latency=1):
        """Cycles from the first beat of an accumulator row to its write."""
        return FETCH_LATENCY + acc_latency + LANE_LATENCY + config.beats

    def __init__(self, config, acc_latency=1, pace=None):
        self._config = config
        self._pace = pace or config.beats
        assert self._pace >= config.beats
        self._fetch_latency = FETCH_LATENCY + acc_latency
        self._write_latency = self.write_latency(config, acc_latency)
        super().__init__({"unit": Out(UnitPort()), "acc_read": Out(MemoryRead(14, 32 * config.cols)),
                          "load": In(LoadBus(config)), "buffer": Out(BufferWrite(config.cols))}
                         | ({"begin": In(1)} if pace else {}))

    def elaborate(self, platform):
        m = Module()
        config = self._config
        write_latency, pace = self._write_latency, self._pace
        settings = {r.name: Signal(signed(r.width) if r.signed else min(r.width, config.address_bits), name=r.name)
                    for r in CONFIG[Unit.ACTIVATION]}

        # The running instruction; `row` has a bit more than an address, so that it can leave the accumulators.
        busy, empty, table, stopped = (Signal(name=name) for name in ("busy", "empty", "table", "stopped"))
        slot, columns = Signal(3, reset_less=True), Signal(range(config.cols + 1), reset_less=True)
        beat = Signal(range(pace))
        x_left, x_count, y_left = (
            Signal(14, name=name, reset_less=True) for name in ("x_left", "x_count", "y_left"))
        address, line, limit = (
            Signal(config.address_bits, name=name, reset_less=True) for name in ("address", "line", "limit"))
        row = Signal(15, reset_less=True)

        # The first beat of a row has it checked, and a cycle later it is read. What its last beat does is known a cycle
        # ahead: whether the row is the last of a line, `last_x`, and of the instruction, `last`; `ends` says that it is
        # the last beat. A row that fails is found in its second beat, before another has begun.
        beyond_row, beyond_address = Signal(), Signal()
        last_x, last, ends, before_end = (Signal(name=name) for name in ("last_x", "last", "ends", "before_end"))
        first_beat, begins, read, fails, last_beat, finishes = (Signal(name=name) for name in (
            "first_beat", "begins", "read", "fails", "last_beat", "finishes"))
        m.d.comb += first_beat.eq(busy & ~stopped & ~empty & (beat == 0))
        m.d.sync += [begins.eq(first_beat), beyond_row.eq(row >= config.accumulator_depth),
                     beyond_address.eq(address > limit)]
        m.d.comb += [
            read.eq(begins & ~beyond_row & ~beyond_address),
            fails.eq(begins & (beyond_row | beyond_address)),
            self.acc_read.en.eq(read),
            self.acc_read.address.eq(delayed(m, row, 1)),
            before_end.eq(busy & (beat == pace - 2)),
            last_beat.eq(ends & ~stopped),
            finishes.eq(last & ~stopped & (~fails if pace == 2 else 1)),
        ]
        m.d.sync += [ends.eq(before_end), last_x.eq(x_left == 1),
                     last.eq(before_end & (empty | ((x_left == 1) & (y_left == 1))))]
        with m.If(busy & ~stopped):
            m.d.sync += beat.eq(beat + 1)
        next_line = Signal(config.address_bits)
        m.d.comb += next_line.eq(line + settings["y_stride"])
        with m.If(last_beat):
            m.d.sync += [beat.eq(0), row.eq(row + 1), busy.eq(~finishes)]
            with m.If(last_x):
                m.d.sync += [x_left.eq(x_count), y_left.eq(y_left - 1), line.eq(next_line), address.eq(next_line)]
            with m.Else():
                m.d.sync += [x_left.eq(x_left - 1), address.eq(address + settings["x_stride"])]
        found = Signal(Fault)
        with m.If(fails):
            m.d.sync += [stopped.eq(1),
                         found.eq(Mux(beyond_row, Fault.ACCUMULATOR_RANGE, Fault.UNIFIED_BUFFER_RANGE))]

        m.submodules.register = waiting = StreamRegister(IssueLayout())
        wiring.connect(m, wiring.flipped(self.unit.issue), waiting.arriving)
        issue = waiting.kept
        word = issue.payload.word
        # What it is, is known when it arrives: much moves when it is taken.
        activates = Signal()
        with m.If(waiting.arriving.ready):
            m.d.sync += activates.eq(
                field(waiting.arriving.payload.word, Opcode.ACTIVATE, "opcode") == Opcode.ACTIVATE)
        new, setting = ({f.name: field(word, opcode, f.name) for f in TABLE[opcode].fields}
                        for opcode in (Opcode.ACTIVATE, Opcode.SET_CONFIGURATION))
        free = ~busy | finishes
        m.d.comb += issue.ready.eq(free & (self.begin | ~activates) if "begin" in self.signature.members else free)
        with m.If(issue.valid & issue.ready), m.If(activates):
            m.d.sync += [
                busy.eq(1), empty.eq((new["x_count"] == 0) | (new["y_count"] == 0)), table.eq(new["table"]),
                slot.eq(new["slot"]), columns.eq(new["columns"]), row.eq(new["acc_address"]),
                x_left.eq(new["x_count"]), x_count.eq(new["x_count"]), y_left.eq(new["y_count"]),
                address.eq(new["ub_address"]), line.eq(new["ub_address"]),
                limit.eq(config.unified_buffer_bytes - new["columns"]),
            ]

        # A cycle later, when the register still holds the instruction, and none can fail or begin.
        began, written = (delayed(m, issue.valid & issue.ready & which, 1) for which in (activates, ~activates))
        with m.If(began):
            m.d.sync += self.unit.fault_pc.eq(issue.payload.pc)
        with m.If(written):
            for number in (0, 1):
                with m.Switch(setting[f"index{number}"]):
                    for register in CONFIG[Unit.ACTIVATION]:
                        with m.Case(register.index):
                            m.d.sync += settings[register.name].eq(setting[f"value{number}"])

        results = self._lanes(m, platform, settings, slot, beat, table, read)
        collected = Signal(8 * config.cols, reset_less=True)
        m.d.sync += collected.eq(Cat(collected[8 * config.requantise_lanes:], results))

        # Beside the data, to the cycle of the row's write.
        writes, failures = Signal(write_latency - 1), Signal(write_latency - 1)
        retires = Signal(write_latency - (pace - 1))
        m.d.sync += [writes.eq(Cat(read, writes)), failures.eq(Cat(fails, failures)),
                     retires.eq(Cat(finishes, retires))]
        target = place(m, "target_line", DelayMemory(len(address) + len(columns), write_latency), platform)
        m.d.comb += [
            target.d.eq(Cat(address, columns)),
            Cat(self.buffer.address[:config.address_bits], self.buffer.count).eq(target.q),
            self.buffer.en.eq(writes[-1]),
            self.buffer.data.eq(collected),
            self.unit.retire.eq(retires[-1]),
            self.unit.fault.eq(Mux(failures[-1], found, Fault.NONE)),
            self.unit.active.eq((busy & ~stopped) | Cat(writes, failures, retires).any()),
        ]
        return m

    def _lanes(self, m, platform, settings, slot, beat, table, read):
        """The lanes, fed with the row that `read` asks for; returns the results of a beat, 8 bits a lane."""
        config = self._config
        row = Signal(32 * config.cols, reset_less=True)
        fetched = delayed(m, self.acc_read.data, 1)
        with m.If(delayed(m, read, self._fetch_latency - 3)):
            m.d.sync += row.eq(fetched)
        width, now = 32 * config.requantise_lanes, delayed(m, beat, self._fetch_latency - 1)
        # `word_select` elaborates in the square of the row's width, which is wide where there are two beats (v1: 3 s).
        values = delayed(m, Mux(now, row[width:], row[:width]) if config.beats == 2 else row.word_select(now, width), 1)

        m.submodules.parameters = parameters = ParameterStore(config, Destination.ACTIVATION, config.requantise_lanes)
        wiring.connect(m, wiring.flipped(self.load), parameters.load)
        ahead = self._fetch_latency - ParameterStore.LATENCY
        m.d.comb += [parameters.slot.eq(delayed(m, slot, ahead)), parameters.beat.eq(delayed(m, beat, ahead))]
        clamp = {name: delayed(m, settings[name], self._fetch_latency) for name in ("zero_point", "minimum", "maximum")}
        results = []
        for i in range(config.requantise_lanes):
            lane = place(m, f"lane{i}", RequantiseLane(config.requantise_dsps), platform,
                         accumulator=values.word_select(i, 32), bias=parameters.bias[i],
                         multiplier=parameters.multiplier[i], shift=parameters.shift[i], **clamp)
            results.append(lane.result)
        # Rows behind the last entry are ignored.
        stores = Signal()
        m.d.sync += stores.eq(self.load.valid & (self.load.destination == Destination.TABLE)
                              & (self.load.index < table_rows(config.cols)))
        tables = place(m, "tables", FunctionTables(config.cols, config.requantise_lanes), platform,
                       entries=Cat(results), use=delayed(m, table, self._fetch_latency + RequantiseLane.LATENCY),
                       write_en=stores, write_index=delayed(m, self.load.index, 1),
                       write_data=delayed(m, self.load.data, 1))
        return tables.results
