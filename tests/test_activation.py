"""The activation unit against the arithmetic of the contract: what it writes, in which cycle, and where it stops."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from systolith.rtl.activation import ActivationUnit
from systolith.rtl.config import ADDRESS_BITS, Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import CONFIG, SINK, Destination, Fault, Opcode, Unit
from systolith.sim.arithmetic import requantise, wrap32

CONFIGS = {
    "4x4": Config(rows=4, cols=4, requantise_lanes=1, accumulator_depth=16, unified_buffer_bytes=256),
    "3x6": Config(rows=3, cols=6, requantise_lanes=3, accumulator_depth=21, unified_buffer_bytes=256),
    "12x10": Config(rows=12, cols=10, requantise_lanes=5, accumulator_depth=32, unified_buffer_bytes=1024),
}
REGISTERS = {r.name: r.index for r in CONFIG[Unit.ACTIVATION]}
READ_AFTER_ISSUE = 3


def activate(**fields):
    return int.from_bytes(encode(Opcode.ACTIVATE, **fields), "little")


def configure(**values):
    """Set_Configuration of one or two registers."""
    pairs = [(REGISTERS[name], value & 0xFFFFFFFF) for name, value in values.items()] + [(SINK, 0xFFFFFFFF)]
    (index0, value0), (index1, value1) = pairs[:2]
    return int.from_bytes(encode(Opcode.SET_CONFIGURATION, unit=Unit.ACTIVATION, index0=index0, value0=value0,
                                 index1=index1, value1=value1), "little")


class Bench:
    """The unit with random accumulators, parameters and table; records what a program does."""

    def __init__(self, config, seed=0):
        rng = np.random.default_rng(seed)
        shape = config.parameter_slots, config.cols
        self.config = config
        # Results near the int8 range, and one row of extremes.
        self.acc = rng.integers(-(1 << 24), 1 << 24, (config.accumulator_depth, config.cols))
        self.acc[3] = rng.choice([-(1 << 31), (1 << 31) - 1, 0], config.cols)
        self.bias = rng.integers(-(1 << 22), 1 << 22, shape)
        self.multiplier = rng.integers(1 << 30, 1 << 31, shape)
        self.shift = rng.integers(-17, -14, shape)
        self.table = rng.integers(-128, 128, 256)
        self.dut = ActivationUnit(config)
        self.reads, self.writes, self.retired, self.faults, self.active = [], [], [], [], []

    def row(self, i, slot, settings):
        """What becomes of accumulator row i, by column."""
        summed = wrap32(self.acc[i] + self.bias[slot])
        shifted = requantise(summed, self.multiplier[slot], self.shift[slot]) + settings["zero_point"]
        return np.clip(shifted, settings["minimum"], settings["maximum"])

    def run(self, program, cycles):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)

        async def bench(ctx):
            await self._load(ctx)
            waiting, data = list(enumerate(program)), None
            for cycle in range(cycles):
                ctx.set(self.dut.unit.issue.valid, bool(waiting))
                if waiting:
                    ctx.set(self.dut.unit.issue.payload, {"word": waiting[0][1], "pc": 40 + waiting[0][0]})
                # What is read is there for one cycle.
                ctx.set(self.dut.acc_read.data, self._acc_row(data))
                data = ctx.get(self.dut.acc_read.address) if ctx.get(self.dut.acc_read.en) else None
                self._record(ctx, cycle, data)
                if waiting and ctx.get(self.dut.unit.issue.ready):
                    waiting.pop(0)
                await ctx.tick()

        simulator.add_testbench(bench)
        simulator.run()

    async def _load(self, ctx):
        load, cols = self.dut.load, self.config.cols
        rows = []
        for slot in range(self.config.parameter_slots):
            words = np.stack([self.bias[slot], self.multiplier[slot]]).astype("<i4").view(np.uint8).reshape(2, cols, 4)
            planes = [*words.transpose(0, 2, 1).reshape(8, cols), self.shift[slot]]
            rows += [(Destination.ACTIVATION, slot, index, plane) for index, plane in enumerate(planes)]
        table = np.resize(self.table, -(-256 // cols) * cols).reshape(-1, cols)
        # A row behind the last entry is ignored; it would be the first one.
        rows += [(Destination.TABLE, 0, index, row) for index, row in enumerate([*table, ~table[0]])]
        ctx.set(load.valid, 1)
        for destination, slot, index, row in rows:
            ctx.set(load.destination, destination)
            ctx.set(load.slot, slot)
            ctx.set(load.index, index)
            ctx.set(load.data, int.from_bytes(row.astype(np.uint8).tobytes(), "little"))
            await ctx.tick()
        ctx.set(load.valid, 0)

    def _acc_row(self, i):
        values = np.full(self.config.cols, -1) if i is None else self.acc[i]
        return int.from_bytes(values.astype("<i4").tobytes(), "little")

    def _record(self, ctx, cycle, read):
        unit, buffer = self.dut.unit, self.dut.buffer
        if read is not None:
            self.reads.append((cycle, read))
        if ctx.get(buffer.en):
            data = ctx.get(buffer.data).to_bytes(self.config.cols, "little")[:ctx.get(buffer.count)]
            self.writes.append((cycle, ctx.get(buffer.address), np.frombuffer(data, np.int8).tolist()))
        if ctx.get(unit.retire):
            self.retired.append((cycle, len(self.writes)))
        if ctx.get(unit.fault):
            self.faults.append((cycle, Fault(ctx.get(unit.fault)), ctx.get(unit.fault_pc), len(self.writes)))
        self.active.append(ctx.get(unit.active))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_instructions_of_all_kinds_follow_each_other(config):
    bench = Bench(config, config.cols)
    rng = np.random.default_rng(config.rows)
    program, expected, retired, settings = [], [], [], {}
    for number in range(9):
        low, high = sorted(rng.integers(-128, 128, 2))
        for values in ({"x_stride": rng.integers(0, 9), "y_stride": rng.integers(0, 30)},
                       {"minimum": low, "maximum": high}, {"zero_point": rng.integers(-128, 128)}):
            if number == 0 or rng.integers(0, 3):
                settings |= {name: int(value) for name, value in values.items()}
                program.append(configure(**{name: settings[name] for name in values}))
        y_count, x_count, columns = (int(rng.integers(0, high)) for high in (4, 5, config.cols))
        columns += 1
        fields = {"acc_address": int(rng.integers(0, config.accumulator_depth - y_count * x_count)),
                  "slot": int(rng.integers(0, config.parameter_slots)), "table": int(rng.integers(0, 2))}
        start = int(rng.integers(0, 100))
        program.append(activate(**fields, ub_address=start, x_count=x_count, y_count=y_count, columns=columns))
        for i in range(x_count * y_count):
            values = bench.row(fields["acc_address"] + i, fields["slot"], settings)
            if fields["table"]:
                values = bench.table[values & 0xFF]
            y, x = divmod(i, x_count)
            place = start + y * settings["y_stride"] + x * settings["x_stride"]
            expected.append((place, values[:columns].tolist()))
        retired.append(len(expected))

    bench.run(program, 600)
    assert [write[1:] for write in bench.writes] == expected
    assert [count for _, count in bench.retired] == retired
    assert not bench.faults
    last = bench.retired[-1][0]
    assert bench.active[last] and not any(bench.active[last + 1:])


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_rows_come_each_beats_cycles_across_instructions(config):
    bench = Bench(config)
    program = [activate(acc_address=row, x_count=x, y_count=y, columns=1)
               for row, x, y in ((0, 3, 2), (8, 1, 1), (0, 2, 0), (9, 1, 3))]
    bench.run(program, 120)
    beats, latency = config.beats, ActivationUnit.write_latency(config) - 1
    slots = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]
    assert bench.reads == [(READ_AFTER_ISSUE + beats * n, row)
                           for n, row in zip(slots, [0, 1, 2, 3, 4, 5, 8, 9, 10, 11])]
    assert [cycle for cycle, *_ in bench.writes] == [cycle + latency for cycle, _ in bench.reads]
    assert [cycle for cycle, _ in bench.retired] == [READ_AFTER_ISSUE + beats * n + latency for n in (5, 6, 7, 10)]
    assert all(bench.active[READ_AFTER_ISSUE:bench.retired[-1][0] + 1])


def test_set_configuration_takes_effect_between_the_instructions_around_it():
    config = CONFIGS["3x6"]
    bench = Bench(config)
    program = []
    for value in (5, -7, 100):
        program += [configure(minimum=value, maximum=value), activate(x_count=1, y_count=1, columns=6)]
    bench.run(program, 60)
    assert [data for *_, data in bench.writes] == [[value] * 6 for value in (5, -7, 100)]


def test_the_second_register_is_written_after_the_first():
    bench = Bench(CONFIGS["4x4"])
    word = encode(Opcode.SET_CONFIGURATION, unit=Unit.ACTIVATION, index0=REGISTERS["maximum"], value0=3,
                  index1=REGISTERS["maximum"], value1=9)
    bench.run([configure(minimum=9), int.from_bytes(word, "little"), activate(x_count=1, y_count=1, columns=4)], 60)
    assert bench.writes[0][2] == [9] * 4


SIZE = CONFIGS["4x4"].unified_buffer_bytes
STEP_BACK = (1 << ADDRESS_BITS) - 100
FAULTS = {
    "accumulators": (dict(acc_address=14, x_count=4), {}, 2, Fault.ACCUMULATOR_RANGE),
    "accumulators at once": (dict(acc_address=(1 << 14) - 1, x_count=1), {}, 0, Fault.ACCUMULATOR_RANGE),
    "buffer": (dict(ub_address=SIZE - 6, x_count=3), {"x_stride": 1}, 3, None),
    "buffer, last column": (dict(ub_address=SIZE - 6, x_count=4), {"x_stride": 1}, 3, Fault.UNIFIED_BUFFER_RANGE),
    "buffer, next line": (dict(ub_address=0, y_count=3), {"y_stride": 252}, 2, Fault.UNIFIED_BUFFER_RANGE),
    "buffer, below zero": (dict(ub_address=150, y_count=3), {"y_stride": STEP_BACK}, 2, Fault.UNIFIED_BUFFER_RANGE),
    "both": (dict(acc_address=15, ub_address=250, y_count=2), {"y_stride": 99}, 1, Fault.ACCUMULATOR_RANGE),
}


@pytest.mark.parametrize("fields, settings, written, fault", FAULTS.values(), ids=FAULTS)
def test_range(fields, settings, written, fault):
    config = CONFIGS["4x4"]
    bench = Bench(config)
    program = [configure(**{"x_stride": 4, **settings}), activate(x_count=1, y_count=1, columns=4),
               activate(**{"x_count": 1, "y_count": 1, "columns": 4, **fields}),
               configure(minimum=1, maximum=1), activate(x_count=1, y_count=1, columns=4)]
    bench.run(program, 140)
    if fault is None:
        assert not bench.faults
        assert len(bench.writes) == 2 + written
    else:
        (cycle, *found), = bench.faults
        assert found == [fault, 42, 1 + written]
        assert len(bench.writes) == len(bench.reads) == 1 + written
        assert len(bench.retired) == 1
        assert not any(bench.active[cycle + 1:])
