"""The activation unit of a compact chip: executes Activate one output byte after the other."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .compact_issue import SettingLayout
from .compact_lane import CompactLane
from .compact_memory import PERIOD, WRITE_SLOTS
from .compact_requantise import CompactRequantise
from .function_table import ENTRIES
from .interfaces import LoadBus, MemoryWrite, UnitPort, field
from .isa import CONFIG, TABLE, Destination, Fault, Opcode, Unit
from .parameters import PLANES
from .waits import units

__all__ = ["CompactActivationUnit"]


class CompactActivationUnit(wiring.Component):
    """Requantises and writes the first `columns` values of each accumulator row, one by one: each in its own time by
    `CompactRequantise`, or several at a time by `CompactLane`, as `requantise_bits` tells.

    Rows before one that is out of range are written before the fault. The accumulators are checked first.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit : Out(UnitPort())
    setting : In(SettingLayout)
    acc_row : Out(range(accumulator_depth)), acc_data : In(32 * cols), acc_fresh : In(cols)
        Port of `CompactAccumulators`.
    load : In(LoadBus(config))
        Parameter sets and the function table. Reset does not change what is loaded.
    write_slot : In(1), buffer : Out(MemoryWrite(address_bits, 8))
        See `CompactMemory`.

    Latency
    -------
    Starts in the cycle after the first write slot from the issue on, and an output every `spacing(config)` cycles. Each
    takes `latency(config)` cycles, the last of them that of its write, and the last write that of `retire`. Without
    rows, retires in the cycle after the issue.
    """

    @staticmethod
    def spacing(config):
        """Cycles from one output to the next."""
        if config.requantises_at_once:
            return CompactLane.SPACING
        return CompactRequantise.cycles(config.requantise_bits)

    @staticmethod
    def latency(config):
        """Cycles that an output takes."""
        if config.requantises_at_once:
            return CompactLane.LATENCY
        return CompactRequantise.cycles(config.requantise_bits)

    def __init__(self, config):
        self._config = config
        super().__init__({
            "unit": Out(UnitPort()), "setting": In(SettingLayout(config)),
            "acc_row": Out(range(config.accumulator_depth)), "acc_data": In(32 * config.cols),
            "acc_fresh": In(config.cols), "load": In(LoadBus(config)),
            "write_slot": In(1), "buffer": Out(MemoryWrite(config.address_bits, 8))})

    def elaborate(self, platform):
        m = Module()
        config = self._config
        address_bits = config.address_bits
        registers = {r.name: Signal(signed(r.width) if r.signed else min(r.width, address_bits), name=r.name)
                     for r in CONFIG[Unit.ACTIVATION]}
        with m.If(self.setting.en[units(config).index(Unit.ACTIVATION)]), m.Switch(self.setting.index):
            for register in CONFIG[Unit.ACTIVATION]:
                with m.Case(register.index):
                    m.d.sync += registers[register.name].eq(self.setting.value)

        # The running instruction. `row` and `address` belong to the accumulator row, `column` walks along it.
        busy, computing, table = Signal(), Signal(), Signal()
        slot = Signal(range(config.parameter_slots))
        column, last_column = Signal(range(config.cols)), Signal(range(config.cols))
        x_left, x_count, y_left = (Signal(14, name=name) for name in ("x_left", "x_count", "y_left"))
        address, line, following = (Signal(address_bits, name=name) for name in ("address", "line", "following"))
        row = Signal(15)
        last_x, last_y, empty, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            last_x.eq(x_left == 1), last_y.eq(y_left == 1), empty.eq((x_left == 0) | (y_left == 0)),
            following.eq(Mux(last_x, line, address) + Mux(last_x, registers["y_stride"], registers["x_stride"])),
        ]

        m.submodules.lane = lane = (CompactLane(config.requantise_dsps) if config.requantises_at_once else
                                    CompactRequantise(config.requantise_bits))
        spacing, periods = self.spacing(config), self.latency(config) // self.spacing(config)
        assert spacing * periods == self.latency(config)
        fault = Signal(Fault)
        with m.If(row >= config.accumulator_depth):
            m.d.comb += fault.eq(Fault.ACCUMULATOR_RANGE)
        with m.Elif(address > config.unified_buffer_bytes - 1 - last_column):
            m.d.comb += fault.eq(Fault.UNIFIED_BUFFER_RANGE)

        # Outputs start one after the other, the first when that puts the writes into their slots.
        cycle = Signal(range(spacing))
        aligned, starts, beat = Signal(), Signal(), Signal()
        assert spacing % PERIOD == 0 and len(WRITE_SLOTS) == 1
        m.d.sync += aligned.eq(self.write_slot)
        # Those that have started wait for their write, as many of them as the lane has under way at once.
        output = data.StructLayout({"valid": 1, "last": 1, "address": address_bits})
        waiting = [Signal(output, name=f"waiting{n}") for n in range(periods)]
        for earlier, later in pairwise(waiting):
            with m.If(beat):
                m.d.sync += later.eq(earlier)
        under_way = Cat(later.valid for later in waiting[1:]).any()
        writes = Signal()
        m.d.comb += [
            beat.eq(cycle == spacing - 1),
            starts.eq(busy & ~empty & ~computing & aligned & (fault == Fault.NONE)),
            lane.start.eq(starts),
            ends.eq(computing & beat),
            waiting[0].valid.eq(computing), waiting[0].address.eq(address + column),
            waiting[0].last.eq((column == last_column) & last_x & last_y),
            writes.eq(waiting[-1].valid & beat),
            self.unit.retire.eq(busy & (empty & ~under_way | writes & waiting[-1].last)),
        ]
        with m.If(busy & ~empty & ~computing & aligned & ~under_way):
            m.d.comb += self.unit.fault.eq(fault)
        with m.If(starts):
            m.d.sync += [computing.eq(1), cycle.eq(1)]
        with m.Elif(computing | under_way):
            m.d.sync += cycle.eq(cycle + 1)
        with m.If(ends):
            m.d.sync += [computing.eq(0), column.eq(column + 1)]
            with m.If(column == last_column):
                m.d.sync += [column.eq(0), row.eq(row + 1), address.eq(following), x_left.eq(x_left - 1)]
                with m.If(last_x):
                    m.d.sync += [x_left.eq(x_count), y_left.eq(y_left - 1), line.eq(following)]
        with m.If(self.unit.retire):
            m.d.sync += busy.eq(0)

        issue = self.unit.issue
        new = {f.name: field(issue.payload.word, Opcode.ACTIVATE, f.name) for f in TABLE[Opcode.ACTIVATE].fields}
        m.d.comb += [issue.ready.eq(~busy), self.unit.active.eq(busy)]
        with m.If(issue.valid & issue.ready):
            m.d.sync += [
                busy.eq(1), table.eq(new["table"]), slot.eq(new["slot"]), column.eq(0),
                last_column.eq(new["columns"] - 1), row.eq(new["acc_address"]), x_left.eq(new["x_count"]),
                x_count.eq(new["x_count"]), y_left.eq(new["y_count"]), address.eq(new["ub_address"]),
                line.eq(new["ub_address"]), self.unit.fault_pc.eq(issue.payload.pc),
            ]

        byte = self._store(m, lane, slot, looks_up=cycle == spacing - 2,
                           wanted=Mux(beat, lane.result[:(config.cols - 1).bit_length()], column))
        m.d.comb += [
            self.acc_row.eq(row), lane.sum.eq(self.acc_data.word_select(column, 32)),
            lane.sum_valid.eq(self.acc_fresh.bit_select(column, 1)),
            *(getattr(lane, name).eq(registers[name]) for name in ("zero_point", "minimum", "maximum")),
            self.buffer.en.eq(writes), self.buffer.address.eq(waiting[-1].address),
            self.buffer.data.eq(Mux(table, byte, lane.result)),
        ]
        return m

    def _store(self, m, lane, slot, looks_up, wanted):
        """The function table, in the lower half of the rows, and the parameter sets; returns the byte of the table.

        A memory for each of the rows that the lane takes at once.
        """
        config = self._config
        table_rows = -(-ENTRIES // config.cols)
        planes = 1 << (PLANES - 1).bit_length()
        half_bits = (max(table_rows, planes * config.parameter_slots) - 1).bit_length()
        entry_bits, way_bits = (config.cols - 1).bit_length(), (lane.ROWS - 1).bit_length()
        upper = 1 << half_bits
        index = self.load.index
        to_table = self.load.destination == Destination.TABLE
        to_set = self.load.destination == Destination.ACTIVATION
        loads, loaded, read_row = Signal(), Signal(half_bits + 1), Signal(half_bits + 1 - way_bits)
        m.d.comb += [
            loads.eq(self.load.valid & (to_table & (index < table_rows) | to_set & (index < PLANES))),
            loaded.eq(Mux(to_table, index[:half_bits], upper | Cat(index[:planes.bit_length() - 1], self.load.slot))),
            read_row.eq(Mux(looks_up, lane.result[entry_bits + way_bits:], upper >> way_bits | Cat(lane.plane, slot))),
        ]
        found = Signal(8 * lane.ROWS)
        for way in range(lane.ROWS):
            m.submodules[f"store{way}"] = store = Memory(
                shape=8 * config.cols, depth=2 * upper // lane.ROWS, init=[], attrs={"no_rw_check": 1})
            write, read = store.write_port(), store.read_port()
            m.d.comb += [
                write.en.eq(loads & (loaded[:way_bits] == way)), write.addr.eq(loaded[way_bits:]),
                write.data.eq(self.load.data), read.addr.eq(read_row),
                found.word_select(way, 8).eq(read.data.word_select(wanted, 8)),
            ]
        m.d.comb += lane.byte.eq(found)
        return found.word_select(lane.result[entry_bits:entry_bits + way_bits], 8)
