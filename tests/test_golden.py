"""The golden model against the sentences of docs/architecture.md, one element at a time in plain Python."""

import numpy as np
import pytest
from golden_programs import CONFIGS, Host, configure, filled, run
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Destination, Fault, Function, Opcode, Unit
from systolith.rtl.packets import COUNTERS, State
from systolith.sim.arithmetic import requantise
from systolith.sim.golden import GoldenModel


def parameters(model, row, rng, taps=()):
    """Writes a parameter set to weight memory rows from `row` on; returns bias, multiplier and shift."""
    cols = model.config.cols
    bias = rng.integers(-1 << 20, 1 << 20, cols).astype(np.int32)
    multiplier = rng.integers(1 << 30, 1 << 31, cols).astype(np.int32)
    shift = rng.integers(-16, -6, cols).astype(np.int8)
    model.weights[row:row + 4] = bias.astype("<i4").view(np.int8).reshape(cols, 4).T
    model.weights[row + 4:row + 8] = multiplier.astype("<i4").view(np.int8).reshape(cols, 4).T
    model.weights[row + 8] = shift
    return bias, multiplier, shift


def test_halt():
    model = GoldenModel(CONFIGS[0])
    assert run(model, encode(Opcode.NOP), encode(Opcode.READ_WEIGHTS, count=0)) == (State.HALTED, Fault.NONE, 0)


@pytest.mark.parametrize("config", CONFIGS)
def test_matrix_multiply(config):
    model = filled(config)
    before = model.accumulators.copy()
    multiply = {"ub_address": 7, "acc_address": 3, "length": 5, "stride": 4}
    assert run(model, encode(Opcode.READ_WEIGHTS, address=2, count=2 * config.rows),
               encode(Opcode.MATRIX_MULTIPLY, switch=1, **multiply),
               encode(Opcode.MATRIX_MULTIPLY, switch=1, accumulate=1, **multiply),
               encode(Opcode.MATRIX_MULTIPLY, accumulate=1, **multiply))[0] is State.HALTED
    for i in range(5):
        for c in range(config.cols):
            total = 0
            for first_row, times in ((2, 1), (2 + config.rows, 2)):
                total += times * sum(int(model.unified_buffer[7 + 4 * i + r]) *
                                     int(model.weights[first_row + config.rows - 1 - r, c]) for r in range(config.rows))
            assert model.accumulators[3 + i, c] == total
    assert (np.delete(model.accumulators, range(3, 8), 0) == np.delete(before, range(3, 8), 0)).all()
    assert model.counters["array_active"] == 15


def test_multiplying_extremes_is_exact():
    config = Config(rows=1024, cols=2, requantise_lanes=1, weight_memory_rows=1024, unified_buffer_bytes=4096)
    model = GoldenModel(config)
    model.weights[:], model.unified_buffer[:] = -128, -128
    model.weights[512] = 127
    run(model, encode(Opcode.READ_WEIGHTS, count=1024), encode(Opcode.MATRIX_MULTIPLY, length=1, switch=1))
    assert model.accumulators[0].tolist() == [1023 * 16384 - 127 * 128] * 2


def test_accumulators_wrap():
    model = GoldenModel(CONFIGS[0])
    model.accumulators[:] = 2**31 - 1
    model.weights[:], model.unified_buffer[:] = 1, 1
    run(model, encode(Opcode.READ_WEIGHTS, count=3), encode(Opcode.MATRIX_MULTIPLY, length=1, switch=1, accumulate=1))
    assert model.accumulators[0, 0] == -(2**31) + 2


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("accumulate", [0, 1])
def test_convolve(config, accumulate):
    model = filled(config, 1)
    model.accumulators[:] = 1000
    registers = {"x_stride": 5, "y_stride": 17, "pass0_count": 3, "pass0_stride": -2, "pass1_count": 2,
                 "pass1_stride": 40}
    run(model, configure(Unit.MATRIX, **registers), encode(Opcode.READ_WEIGHTS, count=6 * config.rows),
        encode(Opcode.CONVOLVE, ub_address=9, acc_address=1, x_count=4, y_count=3, accumulate=accumulate))
    for y in range(3):
        for x in range(4):
            total = np.full(config.cols, 1000 * accumulate)
            for number in range(6):
                start = 9 + number // 3 * 40 - number % 3 * 2 + y * 17 + x * 5
                tile = model.weights[number * config.rows:(number + 1) * config.rows][::-1].astype(int)
                total += model.unified_buffer[start:start + config.rows].astype(int) @ tile
            assert (model.accumulators[1 + 4 * y + x] == total).all()
    assert (model.accumulators[13:] == 1000).all()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("table", [0, 1])
def test_activate(config, table):
    model, rng = filled(config, 2), np.random.default_rng(3)
    model.accumulators[:] = rng.integers(-1 << 20, 1 << 20, model.accumulators.shape)
    bias, multiplier, shift = parameters(model, 10, rng)
    before = model.unified_buffer.copy()
    run(model, encode(Opcode.READ_WEIGHTS, destination=Destination.ACTIVATION, slot=2, address=10, count=9),
        encode(Opcode.READ_WEIGHTS, destination=Destination.TABLE, address=20, count=64),
        configure(Unit.ACTIVATION, x_stride=4, y_stride=21, zero_point=-9, minimum=-60, maximum=70),
        encode(Opcode.ACTIVATE, acc_address=5, ub_address=100, x_count=3, y_count=2, slot=2, columns=3, table=table))
    for y in range(2):
        for x in range(3):
            for c in range(3):
                value = requantise(int(model.accumulators[5 + 3 * y + x, c]) + bias[c], multiplier[c], shift[c])
                value = min(max(int(value) - 9, -60), 70)
                if table:
                    value = model.weights[20 + value % 256 // 4, value % 4]
                before[100 + 21 * y + 4 * x + c] = value
    assert (model.unified_buffer == before).all()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("function", Function)
def test_vector(config, function):
    model, rng = filled(config, 4), np.random.default_rng(5)
    bias, multiplier, shift = parameters(model, 0, rng)
    taps = config.vector_taps
    registers = {
        "y_stride": 29, "x_count": 7, "x_stride": 4, "tap1_count": 3, "tap1_stride": 27, "tap0_count": 2,
        "tap0_stride": 6, "out_y_stride": 30, "out_x_stride": 3, "first_column": taps - 1, "column_step": 2,
        "zero_point": 3, "minimum": -100, "maximum": 90, "zero_point_a": -7, "zero_point_b": 11,
        "multiplier_a": 1 << 30, "shift_a": -1, "multiplier_b": 1700000000, "shift_b": 0,
        "multiplier_out": 1234567890, "shift_out": -19}
    if function is Function.DEPTHWISE:
        registers |= {"tap1_count": 1 if config.vector_kernel_rows < 4 else 2}
    elif function in (Function.ADD, Function.SUBTRACT, Function.MULTIPLY):
        registers["tap1_count"] = 1
    if function is Function.MULTIPLY:
        registers["shift_out"] = -6
    before = model.unified_buffer.copy()
    run(model, configure(Unit.VECTOR, **registers),
        encode(Opcode.READ_WEIGHTS, destination=Destination.VECTOR, slot=1, count=9 + config.vector_kernel_rows * taps),
        encode(Opcode.VECTOR, function=function, in_address=2, out_address=300, y_count=3, slot=1, columns=3))
    expected = before.copy()
    depthwise = function is Function.DEPTHWISE
    for y in range(3):
        for n, x in enumerate(range(taps - 1, 7, 2) if depthwise else range(7)):
            for c in range(3):
                def byte(x, t1, t0, y=y, c=c):
                    return int(before[2 + 29 * y + 4 * x + 27 * t1 + 6 * t0 + c])
                rows, columns = range(registers["tap1_count"]), range(registers["tap0_count"])
                a, b = byte(x, 0, 0) + 7, byte(x, 0, 1) - 11
                wide = (requantise(a << 20, 1 << 30, -1), requantise(b << 20, 1700000000, 0))
                match function:
                    case Function.DEPTHWISE:
                        total = sum(byte(x - taps + 1 + k, t1, t0) * int(model.weights[9 + (t1 * 2 + t0) * taps + k, c])
                                    for t1 in rows for t0 in columns for k in range(taps))
                    case Function.SUM:
                        total = sum(byte(x, t1, t0) for t1 in rows for t0 in columns)
                    case Function.AVERAGE:
                        total = 256 * sum(byte(x, t1, t0) for t1 in rows for t0 in columns)
                    case Function.MAXIMUM:
                        total = max(byte(x, t1, t0) for t1 in rows for t0 in columns)
                    case Function.ADD:
                        total = wide[0] + wide[1]
                    case Function.SUBTRACT:
                        total = wide[0] - wide[1]
                    case Function.MULTIPLY:
                        total = a * b
                if function in (Function.DEPTHWISE, Function.SUM, Function.AVERAGE):
                    total = requantise(total + bias[c], multiplier[c], shift[c]) + 3
                elif function is not Function.MAXIMUM:
                    total = requantise(total, 1234567890, registers["shift_out"]) + 3
                expected[300 + 30 * y + 3 * n + c] = min(max(total, -100), 90)
    assert (model.unified_buffer == expected).all()
    assert (expected[300:] != before[300:]).sum() > 10


def test_depthwise_window_runs_on_between_rows():
    config = CONFIGS[0]
    model = filled(config, 6)
    model.weights[:9], model.weights[9:12] = 0, 0
    model.weights[7], model.weights[8], model.weights[9] = 64, 1, 1  # the oldest byte of the window, unchanged
    run(model, configure(Unit.VECTOR, x_count=3, x_stride=4, y_stride=40, tap1_count=1, tap0_count=1, out_x_stride=4,
                         out_y_stride=12, minimum=-128, maximum=127),
        encode(Opcode.READ_WEIGHTS, destination=Destination.VECTOR, count=12),
        encode(Opcode.VECTOR, in_address=0, out_address=400, y_count=2, columns=4))
    assert (model.unified_buffer[412:420] == model.unified_buffer[4:12]).all()
    assert (model.unified_buffer[420:424] == model.unified_buffer[40:44]).all()


def test_host_instructions():
    model, host = GoldenModel(CONFIGS[0]), Host()
    run(model, encode(Opcode.READ_HOST_MEMORY, host_address=4, ub_address=10, length=100),
        encode(Opcode.INTERRUPT, code=77),
        encode(Opcode.WRITE_HOST_MEMORY, host_address=9, ub_address=11, length=61), host=host)
    data = bytes(range(5, 66))
    assert host.calls == [("read", 4, 60), ("read", 64, 40), ("interrupt", 77), ("write", 9, data[:60]),
                          ("write", 69, data[60:])]


def test_tag_records_the_counters():
    model = filled(CONFIGS[0])
    model.weights[:3] = 1
    model.weights[1] = 0
    run(model, encode(Opcode.READ_WEIGHTS, count=3), encode(Opcode.MATRIX_MULTIPLY, length=5, switch=1),
        encode(Opcode.TAG, unit=Unit.MATRIX, tag=2), encode(Opcode.MATRIX_MULTIPLY, length=2))
    assert dict(zip(COUNTERS, model.tags[2].tolist())) == dict.fromkeys(COUNTERS, 0) | {
        "array_active": 5, "useful_macs": 3}
    assert (model.counters["array_active"], model.counters["useful_macs"]) == (7, 4)


def test_counts_of_zero_do_nothing():
    model = filled(CONFIGS[0])
    before = model.unified_buffer.copy()
    assert run(model, encode(Opcode.MATRIX_MULTIPLY, switch=1, acc_address=100),
               encode(Opcode.CONVOLVE, x_count=1, y_count=1), encode(Opcode.ACTIVATE, x_count=1, columns=1),
               encode(Opcode.VECTOR, y_count=1, columns=1),
               encode(Opcode.READ_HOST_MEMORY, ub_address=5000))[0] is State.HALTED
    assert (model.unified_buffer == before).all()
