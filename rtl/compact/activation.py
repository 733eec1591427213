"""The activation unit of a compact chip: executes Activate one output byte after the other."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..function_table import ENTRIES
from ..interfaces import LoadBus, UnitPort, field
from ..isa import CONFIG, TABLE, Destination, Fault, Opcode, Unit
from ..parameters import PLANES
from ..waits import units
from .issue import SettingLayout
from .memory import PERIOD, WRITE_SLOTS, write_port
from .requantise import CompactRequantise

__all__ = ["CompactActivationUnit", "activation_members"]


def activation_members(config):
    """Members of either activation unit of a compact chip, see `CompactActivationUnit`."""
    return {
        "unit": Out(UnitPort()), "setting": In(SettingLayout(config)),
        "acc_row": Out(range(config.accumulator_depth)), "acc_data": In(32 * config.cols),
        "acc_fresh": In(config.cols), "load": In(LoadBus(config)),
        "write_slot": In(1), "buffer": Out(write_port(config))}


class CompactActivationUnit(wiring.Component):
    """Requantises and writes the first `columns` values of each accumulator row, one by one; `CompactRowActivation`,
    which has the same members, does so by the row.

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
    write_slot : In(1), buffer : Out(write_port(config))
        See `CompactMemory`.

    Latency
    -------
    Starts in the cycle after the first write slot from the issue on. Each output takes `CompactRequantise.cycles`, the
    last of them that of its write, and the last write that of `retire`. Without rows, retires in the cycle after the
    issue.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(activation_members(config))

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

        m.submodules.lane = lane = CompactRequantise(config.requantise_bits)
        fault = Signal(Fault)
        with m.If(row >= config.accumulator_depth):
            m.d.comb += fault.eq(Fault.ACCUMULATOR_RANGE)
        with m.Elif(address > config.unified_buffer_bytes - 1 - last_column):
            m.d.comb += fault.eq(Fault.UNIFIED_BUFFER_RANGE)

        # Outputs start one after the other, the first when that puts the writes into their slots.
        cycle = Signal(range(CompactRequantise.cycles(config.requantise_bits)))
        aligned, starts = Signal(), Signal()
        assert CompactRequantise.cycles(config.requantise_bits) % PERIOD == 0 and len(WRITE_SLOTS) == 1
        m.d.sync += aligned.eq(self.write_slot)
        m.d.comb += [
            starts.eq(busy & ~empty & ~computing & aligned & (fault == Fault.NONE)),
            lane.start.eq(starts),
            ends.eq(computing & (cycle == CompactRequantise.cycles(config.requantise_bits) - 1)),
        ]
        with m.If(busy & ~empty & ~computing & aligned):
            m.d.comb += self.unit.fault.eq(fault)
        with m.If(starts):
            m.d.sync += [computing.eq(1), cycle.eq(1)]
        with m.Elif(computing):
            m.d.sync += cycle.eq(cycle + 1)
        with m.If(ends):
            m.d.sync += [computing.eq(0), column.eq(column + 1)]
            with m.If(column == last_column):
                m.d.sync += [column.eq(0), row.eq(row + 1), address.eq(following), x_left.eq(x_left - 1)]
                with m.If(last_x):
                    m.d.sync += [x_left.eq(x_count), y_left.eq(y_left - 1), line.eq(following)]
        m.d.comb += self.unit.retire.eq(busy & (empty | (ends & (column == last_column) & last_x & last_y)))
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

        # One memory for the function table, in its lower half, and the parameter sets.
        table_rows = -(-ENTRIES // config.cols)
        planes = 1 << (PLANES - 1).bit_length()
        half_bits = (max(table_rows, planes * config.parameter_slots) - 1).bit_length()
        upper = 1 << half_bits
        m.submodules.store = store = Memory(shape=8 * config.cols, depth=2 * upper, init=[],
                                            attrs={"no_rw_check": 1})
        write, read = store.write_port(), store.read_port()
        to_table = self.load.destination == Destination.TABLE
        to_set = self.load.destination == Destination.ACTIVATION
        m.d.comb += [
            write.en.eq(self.load.valid & (to_table & (self.load.index < table_rows)
                                           | to_set & (self.load.index < PLANES))),
            write.data.eq(self.load.data),
            write.addr.eq(Mux(to_table, self.load.index[:half_bits],
                              upper | Cat(self.load.index[:planes.bit_length() - 1], self.load.slot))),
        ]
        looks_up = Signal()
        wanted, byte = Signal(range(config.cols)), Signal(8)
        entry_bits = (config.cols - 1).bit_length()
        m.d.comb += [
            looks_up.eq(cycle == CompactRequantise.result_cycle(config.requantise_bits)),
            read.addr.eq(Mux(looks_up, lane.result[entry_bits:],
                             upper | Cat(lane.plane, slot))),
            wanted.eq(Mux(ends, lane.result[:entry_bits], column)),
            byte.eq(read.data.word_select(wanted, 8)),
        ]

        m.d.comb += [
            self.acc_row.eq(row), lane.sum.eq(self.acc_data.word_select(column, 32)),
            lane.sum_valid.eq(self.acc_fresh.bit_select(column, 1)), lane.byte.eq(byte),
            *(getattr(lane, name).eq(registers[name]) for name in ("zero_point", "minimum", "maximum")),
            self.buffer.en.eq(ends), self.buffer.count.eq(1),
            self.buffer.address.eq((address + column)[:address_bits]),
            self.buffer.data.eq(Mux(table, byte, lane.result)),
        ]
        return m

