"""The matrix unit against numpy, and its promises about cycles."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from benches import run_benches
from systolith.rtl.config import ADDRESS_BITS, Config
from systolith.rtl.encoding import encode
from systolith.rtl.interfaces import BUFFER_READ_LATENCY
from systolith.rtl.isa import CONFIG, SINK, Fault, Opcode, Unit
from systolith.rtl.matrix import MatrixUnit
from systolith.rtl.matrix_address import MatrixAddress
from systolith.rtl.tile_fifo import TileFifo

INDEX = {r.name: r.index for r in CONFIG[Unit.MATRIX]}


def config(rows=4, cols=4, **changes):
    return Config(rows=rows, cols=cols, requantise_lanes=1, accumulator_depth=24, unified_buffer_bytes=512, **changes)


def setting(**values):
    """Set_Configuration of one or two registers, as a program's item."""
    items = [(INDEX[name], value) for name, value in values.items()] + [(SINK, 0x5A5A5A5A)]
    return Opcode.SET_CONFIGURATION, {"unit": Unit.MATRIX, "index0": items[0][0], "value0": items[0][1],
                                      "index1": items[1][0], "value1": items[1][1]}


def multiply(**fields):
    return Opcode.MATRIX_MULTIPLY, {"stride": 4, "switch": 1, **fields}


def convolve(**fields):
    return Opcode.CONVOLVE, fields


def accesses(program):
    """Each vector of a program in order: (item, switch, address, accumulator row, accumulate)."""
    registers = dict.fromkeys(INDEX, 0)
    for item, (opcode, given) in enumerate(program):
        names = ("ub_address", "acc_address", "length", "x_count", "y_count", "accumulate", "switch")
        f = dict.fromkeys(names, 0) | given
        if opcode is Opcode.SET_CONFIGURATION:
            for n in "01":
                registers |= {name: f["value" + n] for name, index in INDEX.items() if index == f["index" + n]}
            continue
        if opcode is Opcode.MATRIX_MULTIPLY:
            for i in range(f["length"]):
                yield (item, f["switch"] and i == 0, f["ub_address"] + i * f["stride"], f["acc_address"] + i,
                       f["accumulate"])
            continue
        r = SimpleNamespace(**registers)
        for number in range(r.pass1_count * r.pass0_count):
            p1, p0 = divmod(number, r.pass0_count)
            for i in range(f["y_count"] * f["x_count"]):
                y, x = divmod(i, f["x_count"])
                yield (item, i == 0, f["ub_address"] + p1 * r.pass1_stride + p0 * r.pass0_stride + y * r.y_stride
                       + x * r.x_stride, f["acc_address"] + i, f["accumulate"] or number > 0)


def expected(config, program, buffer, tiles):
    """Accumulators after a program, and (fault, item) if one occurs."""
    memory = np.zeros((config.accumulator_depth, config.cols), np.int32)
    tiles, tile = iter(tiles), None
    for item, switch, address, row, accumulate in accesses(program):
        address %= 1 << ADDRESS_BITS
        if address + config.rows > config.unified_buffer_bytes:
            return memory, (Fault.UNIFIED_BUFFER_RANGE, item)
        if row >= config.accumulator_depth:
            return memory, (Fault.ACCUMULATOR_RANGE, item)
        if switch:
            tile = next(tiles).astype(np.int32)
        result = buffer[address:address + config.rows] @ tile
        memory[row] = result + (memory[row] if accumulate else 0)
    return memory, None


class Bench:
    """The unit between a buffer, a weight FIFO and a queue; records every cycle.

    Parameters
    ----------
    tiles : arrays of rows x cols
        What the weight stream brings, from cycle `weights_from` on.
    gaps : float
        Probability that issue or weights have nothing to offer in a cycle.
    reset_at : int
        Cycle of a reset, after which the program starts again.
    """

    def __init__(self, config, program, tiles, *, seed=1, gaps=0.0, weights_from=0, reset_at=None, spare=30):
        self.config, self.program, self.tiles = config, program, tiles
        self.rng = np.random.default_rng(seed)
        self.buffer = self.rng.integers(-128, 128, config.unified_buffer_bytes).astype(np.int32)
        self.gaps, self.weights_from, self.reset_at, self.spare = gaps, weights_from, reset_at, spare
        names = ("en", "retire", "fault", "active", "array_active", "weight_shift", "weight_stall", "accepted",
                 "row_taken")
        self.log = {name: [] for name in names}
        self.faults, self.addresses = [], []
        self._reset = Signal()
        self.unit = MatrixUnit(config)
        top = Module()
        top.submodules.unit = ResetInserter(self._reset)(self.unit)
        run_benches(top, self._run)

    def cycles(self, name):
        """Cycles in which a recorded signal was high."""
        return [t for t, value in enumerate(self.log[name]) if value]

    async def _run(self, ctx):
        unit, config = self.unit, self.config
        words = [int.from_bytes(encode(opcode, **fields), "little") for opcode, fields in self.program]
        rows = [row for tile in self.tiles for row in tile[::-1]]
        work = sum(opcode is not Opcode.SET_CONFIGURATION for opcode, _ in self.program)
        issued = given = quiet = now = 0
        pipeline, taken_rows = [0] * BUFFER_READ_LATENCY, [0] * TileFifo.LATENCY
        while quiet < self.spare:
            reset = now == self.reset_at
            ctx.set(self._reset, reset)
            offer = issued < len(words) and not reset and self.rng.random() >= self.gaps
            ctx.set(unit.unit.issue.valid, offer)
            if offer:
                ctx.set(unit.unit.issue.payload, {"word": words[issued], "pc": 100 + issued})
            row = given < len(rows) and now >= self.weights_from and not reset and self.rng.random() >= self.gaps
            ctx.set(unit.weights.valid, row)
            ctx.set(unit.weights.payload, taken_rows[0])
            ctx.set(unit.buffer.data, pipeline[0])

            accepted = offer and ctx.get(unit.unit.issue.ready)
            taken = config.weight_path_rows * (row and ctx.get(unit.weights.ready))
            row_bytes = (np.array(rows[given:given + taken], np.int8).tobytes() if taken else
                         self.rng.bytes(config.weight_path_rows * config.cols))
            taken_rows = [*taken_rows[1:], int.from_bytes(row_bytes, "little")]
            en, address = ctx.get(unit.buffer.en), ctx.get(unit.buffer.address)
            if en:
                assert address + config.rows <= config.unified_buffer_bytes
                self.addresses.append(address)
            found = self.buffer[address:address + config.rows].astype(np.int8) if en else self.rng.bytes(config.rows)
            pipeline = [*pipeline[1:], int.from_bytes(bytes(found), "little")]
            fault = ctx.get(unit.unit.fault)
            if fault:
                self.faults.append((Fault(fault), ctx.get(unit.unit.fault_pc) - 100))
            values = {"en": en, "retire": ctx.get(unit.unit.retire), "fault": fault, "accepted": accepted,
                      "active": ctx.get(unit.unit.active), "row_taken": taken > 0}
            for name in ("array_active", "weight_shift", "weight_stall"):
                values[name] = ctx.get(getattr(unit, name))
            for name, value in values.items():
                self.log[name].append(int(value))
            issued += accepted
            given += taken
            if reset:
                issued = given = 0
            done = len(self.cycles("retire")) >= work or self.faults
            quiet = quiet + 1 if done or not values["active"] else 0
            await ctx.tick()
            now += 1
        self.retired_at_end = len(self.cycles("retire"))
        self.accumulators = np.array([await self._read(ctx, a) for a in range(config.accumulator_depth)])

    async def _read(self, ctx, address):
        ctx.set(self.unit.acc_read.en, 1)
        ctx.set(self.unit.acc_read.address, address)
        await ctx.tick()
        return np.frombuffer(ctx.get(self.unit.acc_read.data).to_bytes(4 * self.config.cols, "little"), np.int32)


def make_tiles(config, count, seed=9):
    choices = np.array([-128, -127, -1, 0, 1, 127, *range(-110, 110, 9)])
    return np.random.default_rng(seed).choice(choices, (count, config.rows, config.cols))


def random_program(config, rng, length):
    """Instructions in range, and the tiles that they need."""
    program = []
    for _ in range(length):
        kind = rng.random()
        base = int(rng.integers(150, 250))
        if kind < 0.25:
            name = str(rng.choice(["x_stride", "y_stride", "pass0_stride", "pass1_stride"]))
            other = str(rng.choice(["pass0_count", "pass1_count"]))
            program.append(setting(**{name: int(rng.integers(-12, 13)), other: int(rng.integers(0, 4))}))
        elif kind < 0.65:
            program.append(multiply(ub_address=base, acc_address=int(rng.integers(0, 12)),
                                    length=int(rng.integers(0, 9)), stride=int(rng.integers(-9, 10)),
                                    accumulate=int(rng.random() < 0.5), switch=int(rng.random() < 0.7)))
        else:
            program.append(convolve(ub_address=base, acc_address=int(rng.integers(0, 12)),
                                    x_count=int(rng.integers(0, 5)), y_count=int(rng.integers(0, 4)),
                                    accumulate=int(rng.random() < 0.5)))
    first = [setting(x_stride=4, y_stride=9), setting(pass0_count=2, pass1_count=1), multiply(ub_address=0, length=1)]
    return first + program


@pytest.mark.parametrize("rows, cols, gaps, path", [
    (4, 4, 0.0, 1), (3, 5, 0.4, 1), (12, 10, 0.0, 1), (1, 2, 0.3, 1), (8, 3, 0.2, 1), (4, 5, 0.0, 2), (8, 3, 0.3, 2)])
def test_random_programs(rows, cols, gaps, path):
    c = config(rows, cols, weight_path_rows=path)
    program = random_program(c, np.random.default_rng(rows), 24)
    tiles = make_tiles(c, sum(switch for _, switch, *_ in accesses(program)))
    bench = Bench(c, program, tiles, gaps=gaps)
    memory, fault = expected(c, program, bench.buffer, tiles)
    assert fault is None and bench.faults == []
    assert bench.addresses == [address for _, _, address, _, _ in accesses(program)]
    assert np.array_equal(bench.accumulators, memory)
    assert bench.retired_at_end == sum(opcode is not Opcode.SET_CONFIGURATION for opcode, _ in program)
    assert len(bench.cycles("row_taken")) == len(tiles) * rows // path


@pytest.mark.parametrize("rows, path", [(5, 1), (10, 2)])
def test_tiles_of_one_vector_take_as_long_as_their_rows(rows, path):
    c = config(rows, 4, weight_path_rows=path)
    program = [multiply(ub_address=i, acc_address=i, length=1) for i in range(9)]
    bench = Bench(c, program, make_tiles(c, 9))
    assert np.diff(bench.cycles("en")).tolist() == [5] * 8
    assert np.array_equal(bench.accumulators, expected(c, program, bench.buffer, bench.tiles)[0])


def test_instructions_and_passes_follow_without_a_gap():
    """From the second tile on: all have at least `rows` vectors, so that the next is loaded in time, and at least two,
    so that the next instruction is at hand."""
    c = config(4, 4)
    program = [setting(x_stride=4, y_stride=16), setting(pass0_count=2, pass1_count=2), setting(pass0_stride=1),
               multiply(length=4), multiply(length=5), convolve(x_count=2, y_count=2), convolve(x_count=3, y_count=2),
               *(multiply(length=2, switch=0, acc_address=2 * i) for i in range(6)), multiply(length=4)]
    bench = Bench(c, program, make_tiles(c, 11))
    cycles = bench.cycles("en")
    assert len(cycles) == 4 + 5 + 4 * 4 + 4 * 6 + 6 * 2 + 4
    assert np.diff(cycles).tolist() == [1] * (len(cycles) - 1)
    assert np.array_equal(bench.accumulators, expected(c, program, bench.buffer, bench.tiles)[0])


def test_latencies():
    c = config(3, 5)
    program = [multiply(length=7), setting(x_stride=4), multiply(length=2, switch=0), multiply(length=3, switch=0)]
    bench = Bench(c, program, make_tiles(c, 1))
    cycles = bench.cycles("array_active")
    assert bench.cycles("en") == [cycle + 1 for cycle in cycles]
    ends = [cycles[6], cycles[8], cycles[11]]
    assert cycles[7] - cycles[6] == 3, "Set_Configuration takes two cycles"
    assert bench.cycles("retire") == [end + MatrixUnit.retire_latency(c) for end in ends]
    ready = Bench(c, [multiply(length=1, switch=0)], [])
    assert ready.cycles("array_active")[0] - ready.cycles("accepted")[0] == MatrixAddress.LATENCY


def test_a_read_after_retire_sees_the_row():
    """Without spare cycles the first read's `en` is in the cycle after `retire`; it reads the row written last."""
    c = config(3, 5)
    program = [multiply(length=1)]
    bench = Bench(c, program, make_tiles(c, 1), spare=1)
    assert bench.cycles("retire") == [len(bench.log["retire"]) - 1]
    assert np.array_equal(bench.accumulators[0], expected(c, program, bench.buffer, bench.tiles)[0][0])
    assert bench.accumulators[0].any()


def test_empty_instructions_retire_in_order_and_take_no_tile():
    c = config()
    program = [multiply(length=3), multiply(length=0, ub_address=600, acc_address=9000), multiply(length=2, switch=0),
               setting(pass0_count=1, pass1_count=0), convolve(x_count=2, y_count=2), multiply(length=1)]
    bench = Bench(c, program, make_tiles(c, 2))
    assert bench.faults == [] and bench.retired_at_end == 5
    assert len(bench.cycles("en")) == 6
    assert np.array_equal(bench.accumulators, expected(c, program, bench.buffer, bench.tiles)[0])


@pytest.mark.parametrize("last, kind", [
    (multiply(ub_address=512 - 4, length=1), None),
    (multiply(ub_address=512 - 3, length=1), Fault.UNIFIED_BUFFER_RANGE),
    (multiply(ub_address=512 - 12, length=5), Fault.UNIFIED_BUFFER_RANGE),
    (multiply(ub_address=8, length=5, stride=-4), Fault.UNIFIED_BUFFER_RANGE),
    (multiply(acc_address=23, length=1), None),
    (multiply(acc_address=22, length=3), Fault.ACCUMULATOR_RANGE),
    (multiply(acc_address=16383, length=2), Fault.ACCUMULATOR_RANGE),
    (multiply(ub_address=510, acc_address=24, length=1), Fault.UNIFIED_BUFFER_RANGE),
    (convolve(ub_address=400, acc_address=3, x_count=6, y_count=5), Fault.ACCUMULATOR_RANGE),
])
def test_faults(last, kind):
    c = config()
    program = [setting(x_stride=1, y_stride=6), setting(pass0_count=1, pass1_count=1), multiply(length=6), last,
               multiply(length=2, switch=0, acc_address=10)]
    bench = Bench(c, program, make_tiles(c, 3))
    memory, fault = expected(c, program, bench.buffer, bench.tiles)
    assert fault == (kind and (kind, 3))
    assert bench.faults == ([fault] if fault else [])
    assert np.array_equal(bench.accumulators, memory)
    assert bench.retired_at_end == (1 if fault else 3)
    if fault:
        assert not any(t > bench.cycles("fault")[0] for t in bench.cycles("en"))
        assert not bench.log["active"][-1]


def test_counters_and_active_while_weights_are_missing():
    c = config(4, 4)
    bench = Bench(c, [multiply(length=3), multiply(length=2)], make_tiles(c, 2), weights_from=40, spare=50)
    log = {name: np.array(values) for name, values in bench.log.items()}
    first, last = bench.cycles("array_active")[0], bench.cycles("array_active")[-1]
    assert (log["array_active"] + log["weight_shift"] + log["weight_stall"]).max() == 1
    assert bench.cycles("en") == [t + 1 for t in bench.cycles("array_active")], "a register lies before the buffer"
    assert bench.cycles("weight_shift") == [40, 41, 42, 46], "a tile's last row comes with its first vector"
    assert bench.cycles("weight_stall") == list(range(MatrixAddress.LATENCY, 40))
    assert not log["active"][MatrixAddress.LATENCY + 1:40].any(), "an empty weight FIFO is no progress"
    assert log["active"][first:last + MatrixUnit.retire_latency(c) + 1].all()
    assert not log["active"][-1]


@pytest.mark.parametrize("reset_at", [6, 9, 14, 19, 22])
def test_reset_at_any_time_starts_afresh(reset_at):
    c = config(4, 5)
    program = [setting(x_stride=4, pass0_count=2), setting(y_stride=8, pass1_count=1), multiply(length=5),
               convolve(x_count=4, y_count=2, acc_address=5), multiply(length=11, acc_address=13)]
    bench = Bench(c, program, make_tiles(c, 4), reset_at=reset_at)
    after = [t for t in bench.cycles("retire") if t > reset_at]
    assert len(after) == 3
    assert np.array_equal(bench.accumulators, expected(c, program, bench.buffer, bench.tiles)[0])
