"""The vector unit against its definition in docs/architecture.md, one output at a time."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.interfaces import BUFFER_READ_LATENCY
from systolith.rtl.isa import CONFIG, SINK, Destination, Fault, Function, Opcode, Unit
from systolith.rtl.vector import VectorUnit, write_delay
from systolith.sim.arithmetic import requantise

ELEMENT_WISE = (Function.ADD, Function.SUBTRACT, Function.MULTIPLY)
SMALL = Config(rows=3, cols=4, requantise_lanes=2, unified_buffer_bytes=2048, vector_kernel_rows=4, parameter_slots=2)
CONFIGS = {
    "4 lanes": SMALL,
    "10 lanes by 5, one tap": Config(rows=12, cols=10, requantise_lanes=1, vector_requantise_lanes=5, vector_taps=1,
                                     vector_kernel_rows=1, unified_buffer_bytes=2048, parameter_slots=2),
    "6 lanes by 1, four taps": Config(rows=2, cols=6, requantise_lanes=1, unified_buffer_bytes=2048, vector_taps=4,
                                      vector_kernel_rows=3, parameter_slots=3, vector_multiplier="adders",
                                      vector_requantise_dsps=1),
}
SETTINGS = dict(y_stride=64, x_count=6, x_stride=8, tap1_count=1, tap1_stride=64, tap0_count=1, tap0_stride=16,
                out_y_stride=64, out_x_stride=8, first_column=0, column_step=1, zero_point=3, minimum=-128, maximum=127,
                zero_point_a=5, zero_point_b=-9, multiplier_a=1 << 30, shift_a=0, multiplier_b=1518500250, shift_b=-1,
                multiplier_out=1717986918, shift_out=-18)


@dataclass
class Run:
    """What a program did: the buffer at its end and the cycles of what was seen on the ports."""
    buffer: np.ndarray
    taken: list = field(default_factory=list)
    reads: list = field(default_factory=list)
    writes: list = field(default_factory=list)
    retired: list = field(default_factory=list)
    active: list = field(default_factory=list)
    faults: list = field(default_factory=list)


def vector(function, in_address=0, out_address=1024, y_count=2, slot=0, columns=4):
    return Opcode.VECTOR, dict(function=function, in_address=in_address, out_address=out_address, y_count=y_count,
                               slot=slot, columns=columns)


def configure(**values):
    """Set_Configuration instructions that write these registers, two at a time."""
    numbers = {r.name: r.index for r in CONFIG[Unit.VECTOR]}
    writes = [(numbers[name], value) for name, value in values.items()] + [(SINK, -1)] * (len(values) % 2)
    return [(Opcode.SET_CONFIGURATION, dict(unit=Unit.VECTOR, index0=a, value0=v, index1=b, value1=w))
            for (a, v), (b, w) in zip(writes[::2], writes[1::2])]


def parameter_rows(config, rng):
    """The rows of a random parameter set."""
    bias = rng.integers(-5000, 5000, config.cols, dtype=np.int32)
    multiplier = rng.integers(1 << 30, 1 << 31, config.cols).astype(np.int32)
    shift = rng.integers(-10, -5, config.cols).astype(np.int8)
    weights = rng.integers(-128, 128, (config.vector_kernel_rows * config.vector_taps, config.cols)).astype(np.int8)
    planes = [values.view(np.int8).reshape(config.cols, 4).T for values in (bias, multiplier)]
    return np.concatenate([*planes, shift[None], weights])


def define(config, program, buffer, slots):
    """The buffer after a program, as the contract defines it: a plain loop nest, one output at a time."""
    r, buffer = dict.fromkeys((r.name for r in CONFIG[Unit.VECTOR]), 0), buffer.copy()
    names = [r.name for r in CONFIG[Unit.VECTOR]]
    for opcode, f in program:
        if opcode is Opcode.SET_CONFIGURATION:
            r |= {names[f[f"index{i}"]]: f[f"value{i}"] for i in range(2) if f[f"index{i}"] != SINK}
            continue
        rows, function = slots[f["slot"]], f["function"]
        bias, multiplier = (np.ascontiguousarray(rows[i:i + 4].T).view(np.int32)[:, 0].astype(np.int64) for i in (0, 4))
        weights = rows[9:].reshape(config.vector_kernel_rows, config.vector_taps, config.cols).astype(np.int64)
        written = []
        for y in range(f["y_count"]):
            windows = np.zeros((r["tap1_count"] * r["tap0_count"], config.vector_taps, config.cols), np.int64)
            for x in range(r["x_count"]):
                start = f["in_address"] + y * r["y_stride"] + x * r["x_stride"]
                reads = np.array([buffer[a:a + config.cols] for a in (
                    start + t1 * r["tap1_stride"] + t0 * r["tap0_stride"]
                    for t1 in range(r["tap1_count"]) for t0 in range(r["tap0_count"]))], np.int64)
                n = x
                if function == Function.DEPTHWISE:
                    windows = np.concatenate([windows[:, 1:], reads[:, None]], axis=1)
                    if x < r["first_column"] or (x - r["first_column"]) % max(1, r["column_step"]):
                        continue
                    n = (x - r["first_column"]) // max(1, r["column_step"])
                    value = (windows * weights[:len(windows)]).sum(axis=(0, 1))
                elif function in ELEMENT_WISE:
                    a, b = reads[0] - r["zero_point_a"], reads[1] - r["zero_point_b"]
                    if function == Function.MULTIPLY:
                        value = a * b
                    else:
                        a = requantise(a << 20, r["multiplier_a"], r["shift_a"])
                        b = requantise(b << 20, r["multiplier_b"], r["shift_b"])
                        value = a + b if function == Function.ADD else a - b
                    value = requantise(value, r["multiplier_out"], r["shift_out"]) + r["zero_point"]
                elif function == Function.MAXIMUM:
                    value = reads.max(axis=0)
                else:
                    value = reads.sum(axis=0) * (256 if function == Function.AVERAGE else 1)
                if function in (Function.DEPTHWISE, Function.SUM, Function.AVERAGE):
                    value = requantise(value + bias, multiplier, rows[8]) + r["zero_point"]
                address = f["out_address"] + y * r["out_y_stride"] + n * r["out_x_stride"]
                written.append((address, value.clip(r["minimum"], r["maximum"])[:f["columns"]]))
        for address, value in written:
            buffer[address:address + f["columns"]] = value
    return buffer


def simulate(config, program, buffer, slots, *, gaps=False, wait=()):
    """Runs a program; a read sees the writes made two or more cycles before it, as BufferWrite promises.

    `wait` holds the numbers of instructions that are issued only once all before them have retired, at the earliest
    moment. With `gaps` the others come late at random.
    """
    dut = VectorUnit(config)
    run = Run(buffer.copy())
    rng = np.random.default_rng(0)
    work = sum(opcode is Opcode.VECTOR for opcode, _ in program)

    async def load(ctx):
        for slot, rows in enumerate(slots):
            for index, row in enumerate(rows):
                ctx.set(dut.load.valid, 1)
                ctx.set(dut.load.destination, Destination.VECTOR)
                ctx.set(dut.load.slot, slot)
                ctx.set(dut.load.index, index)
                ctx.set(dut.load.data, int.from_bytes(row.tobytes(), "little"))
                await ctx.tick()
        ctx.set(dut.load.valid, 0)

    async def issue(ctx):
        await load(ctx)
        before = 0
        for pc, (opcode, fields) in enumerate(program):
            while pc in wait and len(run.retired) < before:
                await ctx.tick()
            if gaps and rng.integers(3) == 0:
                await ctx.tick().repeat(int(rng.integers(1, 50)))
            before += opcode is Opcode.VECTOR
            ctx.set(dut.unit.issue.payload.word, int.from_bytes(encode(opcode, **fields), "little"))
            ctx.set(dut.unit.issue.payload.pc, pc)
            ctx.set(dut.unit.issue.valid, 1)
            while not ctx.get(dut.unit.issue.ready):
                await ctx.tick()
            await ctx.tick()
            ctx.set(dut.unit.issue.valid, 0)

    async def observe(ctx):
        data, pending = [bytes(config.cols)] * BUFFER_READ_LATENCY, None
        cycle = idle = 0
        # Until everything has retired, or for a while after a fault.
        while len(run.retired) < work and not (run.faults and idle > 60):
            assert cycle < 10000
            ctx.set(dut.buffer_read.data, int.from_bytes(data[0], "little"))
            read = rng.bytes(config.cols)
            if ctx.get(dut.buffer_read.en):
                address = ctx.get(dut.buffer_read.address)
                assert address + config.cols <= config.unified_buffer_bytes
                run.reads.append(cycle)
                read = run.buffer[address:address + config.cols].tobytes()
            data = [*data[1:], read]
            if pending is not None:
                address, values = pending
                run.buffer[address:address + len(values)] = values
                pending = None
            if ctx.get(dut.buffer_write.en):
                assert cycle - 1 not in run.writes[-1:]
                run.writes.append(cycle)
                address, count = ctx.get(dut.buffer_write.address), ctx.get(dut.buffer_write.count)
                assert address + count <= config.unified_buffer_bytes
                values = ctx.get(dut.buffer_write.data).to_bytes(config.cols, "little")[:count]
                pending = address, np.frombuffer(values, np.int8)
            for port, seen in ((dut.unit.retire, run.retired), (dut.unit.active, run.active)):
                if ctx.get(port):
                    seen.append(cycle)
            if ctx.get(dut.unit.issue.valid) and ctx.get(dut.unit.issue.ready):
                run.taken.append(cycle)
            if ctx.get(dut.unit.fault):
                run.faults.append((ctx.get(dut.unit.fault), ctx.get(dut.unit.fault_pc)))
            idle = 0 if ctx.get(dut.unit.active) else idle + 1
            cycle += 1
            await ctx.tick()
        assert pending is None

    run_benches(dut, observe, background=[issue])
    return run


def stimulus(config, seed=0):
    """A random buffer and random parameter sets."""
    rng = np.random.default_rng(seed)
    buffer = rng.integers(-128, 128, config.unified_buffer_bytes).astype(np.int8)
    return buffer, [parameter_rows(config, rng) for _ in range(config.parameter_slots)]


def taps(config, function):
    """Tap counts that suit a function."""
    if function == Function.DEPTHWISE:
        return dict(tap1_count=2, tap0_count=2) if config.vector_kernel_rows >= 4 else dict(tap1_count=3, tap0_count=1)
    return dict(tap1_count=1, tap0_count=2) if function in ELEMENT_WISE else dict(tap1_count=2, tap0_count=3)


def check(config, program, **options):
    buffer, slots = stimulus(config)
    run = simulate(config, program, buffer, slots, **options)
    expected = define(config, program, buffer, slots)
    assert not np.array_equal(expected, buffer)
    np.testing.assert_array_equal(run.buffer, expected)
    assert run.faults == []
    return run


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_function(config):
    program = configure(**SETTINGS | dict(first_column=config.vector_taps - 1, column_step=2))
    for i, function in enumerate(Function):
        program += [*configure(**taps(config, function)),
                    vector(function, in_address=10 * i, out_address=1024 + 128 * i, slot=1, columns=config.cols - 1)]
    check(config, program)


def test_instructions_without_configuration_between_them():
    """Functions, slots, columns and addresses travel with their reads."""
    settings = SETTINGS | dict(tap1_count=2, first_column=2, x_count=4)
    program = configure(**settings)
    for i, function in enumerate((Function.DEPTHWISE, Function.SUM, Function.ADD, Function.MAXIMUM, Function.MULTIPLY,
                                  Function.SUBTRACT, Function.AVERAGE, Function.DEPTHWISE)):
        program.append(vector(function, in_address=17 * i, out_address=1024 + 128 * i, slot=i % 2,
                              columns=1 + i % 4))
    run = check(SMALL, program)
    gaps = np.diff(run.reads)
    assert max(gaps) <= 4                 # no more than three cycles without a read


def test_configuration_does_not_reach_back():
    """A Set_Configuration right behind an instruction changes nothing that is in flight."""
    late = dict(zero_point=-20, minimum=-60, maximum=50, zero_point_a=77, zero_point_b=78, multiplier_a=1 << 29,
                shift_a=-2, multiplier_b=1 << 28, shift_b=-3, multiplier_out=1 << 30, shift_out=-17)
    program = configure(**SETTINGS | dict(tap0_count=2, x_count=2))
    for i, (name, value) in enumerate({**late, "x_stride": 3, "tap0_stride": 5, "out_x_stride": 9}.items()):
        program += [vector(Function.ADD, in_address=i, out_address=1024 + 64 * i, y_count=1),
                    vector(Function.AVERAGE, in_address=i, out_address=1056 + 64 * i, y_count=1),
                    *configure(**{name: value})]
    check(SMALL, program)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_random_programs(config):
    rng = np.random.default_rng(3)
    program = configure(**SETTINGS | dict(first_column=config.vector_taps - 1))
    for i in range(16):
        function = Function(int(rng.integers(len(Function))))
        values = {name: int(rng.integers(1, 20)) for name in SETTINGS if "stride" in name and name != "out_x_stride"}
        values |= dict(x_count=int(rng.integers(1, 6)), first_column=int(rng.integers(config.vector_taps - 1, 4)),
                       column_step=int(rng.integers(4)), zero_point=int(rng.integers(-128, 128)),
                       minimum=int(rng.integers(-128, 0)), maximum=int(rng.integers(0, 128)),
                       zero_point_a=int(rng.choice([-128, 0, 127])), out_x_stride=-12) | taps(config, function)
        if rng.integers(4):
            names = rng.permutation(list(values))[:int(rng.integers(1, 7))].tolist()
            program += configure(**{name: values[name] for name in names} | taps(config, function))
            program.append(vector(function, in_address=int(rng.integers(100, 400)), y_count=int(rng.integers(3)),
                                  out_address=1100 + 48 * i, slot=int(rng.integers(2)),
                                  columns=int(rng.integers(1, config.cols + 1))))
    check(config, program, gaps=True)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("reads", [1, 2, 9])
def test_a_step_takes_the_longer_of_its_reads_and_beats(config, reads):
    program = [*configure(**SETTINGS | dict(tap0_count=reads, tap0_stride=1, first_column=3)),
               vector(Function.SUM), vector(Function.SUM)]
    run = simulate(config, program, stimulus(config)[0], [])
    steps = np.array(run.reads).reshape(-1, reads)
    period = max(reads, config.vector_beats)
    np.testing.assert_array_equal(np.diff(steps[:12, -1]), period)
    np.testing.assert_array_equal(np.diff(steps[12:, -1]), period)
    np.testing.assert_array_equal(run.writes, steps[:, -1] + write_delay(config))
    assert run.retired == [run.writes[11] + 1, run.writes[23] + 1]
    assert steps[12, 0] - steps[11, -1] == (4 if reads > 1 else max(4, config.vector_beats))
    # Active without a break from the first instruction on to the retirement of the last.
    start = run.taken[-2] + 2
    assert run.active == list(range(start, run.retired[-1] + 1))


def test_what_is_issued_after_retirement_sees_the_writes():
    """Each instruction reads what the one before it wrote last."""
    program = configure(**SETTINGS | dict(x_count=1, zero_point=0))
    for i in range(4):
        program.append(vector(Function.MAXIMUM, in_address=64 * i, out_address=64 * (i + 1), y_count=1))
    first = len(program) - 4
    run = check(SMALL, program, wait=range(first, first + 4))
    assert run.taken[-1] == run.retired[-2] + 1


def test_instructions_without_work_retire_in_order():
    program = [*configure(**SETTINGS), vector(Function.SUM, y_count=0), vector(Function.MAXIMUM),
               vector(Function.SUM, y_count=0), *configure(x_count=0), vector(Function.SUM),
               *configure(x_count=4, first_column=4), vector(Function.DEPTHWISE)]
    run = check(SMALL, program)
    assert len(run.retired) == 5
    assert len(run.writes) == 12


@pytest.mark.parametrize("word, settings, writes", [
    (dict(in_address=2048 - 3), {}, 0),
    (dict(in_address=2048 - 3 * 8 - 4, y_count=1), {}, 4),
    (dict(in_address=1, y_count=1), dict(x_stride=-1), 2),
    (dict(out_address=2048 - 3), {}, 0),
    (dict(out_address=2048 - 3 * 8 - 4, y_count=1), {}, 4),
    (dict(out_address=1, columns=2, y_count=1), dict(out_x_stride=-1), 2),
])
def test_a_bad_address_is_a_fault_after_the_writes_before_it(word, settings, writes):
    program = [*configure(**SETTINGS | settings), vector(Function.MAXIMUM, y_count=1, in_address=1000),
               vector(Function.MAXIMUM, **word), vector(Function.MAXIMUM)]
    run = simulate(SMALL, program, stimulus(SMALL)[0], [])
    assert run.faults == [(Fault.UNIFIED_BUFFER_RANGE, len(program) - 2)]
    assert len(run.retired) == 1
    assert len(run.writes) == SETTINGS["x_count"] + writes
