"""How programs fail on the golden model, and what they have done until then."""

import pytest
from golden_programs import CONFIGS, Host, configure, filled, run
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Destination, Fault, Function, Opcode, Unit
from systolith.rtl.packets import State
from systolith.sim.golden import GoldenModel

NARROW = Config(rows=3, cols=4, requantise_lanes=2, vector_taps=0)
NO_UNIT = dict(wait0_unit=Unit.VECTOR)


@pytest.mark.parametrize("config, opcode, fields", [
    (CONFIGS[0], Opcode.NOP, {"wait1_unit": 6}),
    (CONFIGS[0], Opcode.SYNCHRONISE, {"unit": 6}),
    (CONFIGS[0], Opcode.TAG, {"unit": 0}),
    (CONFIGS[0], Opcode.TAG, {"unit": 1, "tag": 4}),
    (CONFIGS[0], Opcode.SET_CONFIGURATION, {"unit": Unit.HOST, "index0": 31, "index1": 31}),
    (CONFIGS[0], Opcode.SET_CONFIGURATION, {"unit": Unit.MATRIX, "index0": 6, "index1": 31}),
    (CONFIGS[0], Opcode.SET_CONFIGURATION, {"unit": Unit.VECTOR, "index0": 0, "index1": 22}),
    (CONFIGS[0], Opcode.READ_WEIGHTS, {"destination": Destination.ACTIVATION, "slot": 4}),
    (CONFIGS[0], Opcode.ACTIVATE, {"columns": 0}),
    (CONFIGS[0], Opcode.ACTIVATE, {"columns": 5}),
    (CONFIGS[0], Opcode.ACTIVATE, {"columns": 4, "slot": 4}),
    (CONFIGS[0], Opcode.VECTOR, {"columns": 4, "function": 7}),
    (NARROW, Opcode.VECTOR, {"columns": 4}),
    (NARROW, Opcode.NOP, NO_UNIT),
    (NARROW, Opcode.SYNCHRONISE, {"unit": Unit.VECTOR}),
    (NARROW, Opcode.TAG, {"unit": Unit.VECTOR}),
    (NARROW, Opcode.SET_CONFIGURATION, {"unit": Unit.VECTOR, "index0": 31, "index1": 31}),
    (NARROW, Opcode.READ_WEIGHTS, {"destination": Destination.VECTOR}),
])
def test_illegal_instructions(config, opcode, fields):
    model = GoldenModel(config)
    assert run(model, encode(Opcode.NOP), encode(opcode, **fields)) == \
        (State.FAULTED, Fault.ILLEGAL_INSTRUCTION, 1)


def test_unknown_opcode_is_illegal():
    assert run(GoldenModel(CONFIGS[0]), bytes([31] + 15 * [0])) == (State.FAULTED, Fault.ILLEGAL_INSTRUCTION, 0)


def test_program_end():
    model = GoldenModel(CONFIGS[0])
    assert model.run(5) == (State.FAULTED, Fault.PROGRAM_END, 64)


@pytest.mark.parametrize("instruction", [
    encode(Opcode.NOP, wait0_unit=Unit.MATRIX, wait0_count=1),
    encode(Opcode.READ_WEIGHTS, wait1_unit=Unit.WEIGHT, wait1_count=1),
    encode(Opcode.MATRIX_MULTIPLY, length=1, switch=1)], ids=["later unit", "itself", "tile"])
def test_what_only_later_work_could_provide_is_a_deadlock(instruction):
    assert run(GoldenModel(CONFIGS[0]), instruction) == (State.FAULTED, Fault.DEADLOCK, 0)


def test_waits_compare_modulo():
    model = GoldenModel(CONFIGS[0])
    work = encode(Opcode.READ_WEIGHTS)
    assert run(model, work, encode(Opcode.NOP, wait0_unit=Unit.WEIGHT, wait0_count=1),
               encode(Opcode.NOP, wait0_unit=Unit.WEIGHT, wait0_count=65535))[0] is State.HALTED
    assert run(model, work, encode(Opcode.NOP, wait0_unit=Unit.WEIGHT, wait0_count=32770))[0] is State.HALTED
    assert run(model, encode(Opcode.NOP, wait0_unit=Unit.WEIGHT, wait0_count=32768))[1] is Fault.DEADLOCK


def test_matrix_range_faults():
    config = CONFIGS[0]
    model = filled(config)
    weights = encode(Opcode.READ_WEIGHTS, count=3)
    good = encode(Opcode.MATRIX_MULTIPLY, ub_address=512 - 3, length=1, switch=1)
    assert run(model, weights, good)[0] is State.HALTED
    beyond = encode(Opcode.MATRIX_MULTIPLY, ub_address=512 - 6, length=3, stride=2, switch=1)
    assert run(model, weights, beyond) == (State.FAULTED, Fault.UNIFIED_BUFFER_RANGE, 1)
    assert model.counters["array_active"] == 2
    below = encode(Opcode.MATRIX_MULTIPLY, ub_address=2, length=3, stride=-1, switch=1)
    assert run(model, weights, below)[0] is State.HALTED
    below = encode(Opcode.MATRIX_MULTIPLY, ub_address=2, length=4, stride=-1, switch=1)
    assert run(model, weights, below)[1] is Fault.UNIFIED_BUFFER_RANGE
    deep = encode(Opcode.MATRIX_MULTIPLY, acc_address=30, length=3, switch=1)
    assert run(model, weights, deep) == (State.FAULTED, Fault.ACCUMULATOR_RANGE, 1)
    assert model.counters["array_active"] == 2


def test_activate_keeps_what_it_wrote_before_a_fault():
    model = filled(CONFIGS[0])
    before = model.unified_buffer.copy()
    fill = configure(Unit.ACTIVATION, x_stride=4, y_stride=4, minimum=5, maximum=5)
    assert run(model, fill, encode(Opcode.ACTIVATE, ub_address=500, x_count=1, y_count=4, columns=4)) == \
        (State.FAULTED, Fault.UNIFIED_BUFFER_RANGE, 4)
    assert (model.unified_buffer[500:] == 5).all() and (model.unified_buffer[:500] == before[:500]).all()
    assert run(model, fill, encode(Opcode.ACTIVATE, acc_address=31, x_count=2, y_count=1, columns=1))[1] is \
        Fault.ACCUMULATOR_RANGE
    assert model.unified_buffer[0] == 5 and model.unified_buffer[4] == before[4]


@pytest.mark.parametrize("in_address, out_address, written", [(512 - 4 - 8, 100, 3), (0, 512 - 8, 2)])
def test_vector_keeps_what_it_wrote_before_a_fault(in_address, out_address, written):
    model = filled(CONFIGS[0])
    before = model.unified_buffer.copy()
    registers = configure(Unit.VECTOR, x_count=5, x_stride=4, tap0_count=1, tap1_count=1, out_x_stride=4, minimum=-3,
                          maximum=-3)
    assert run(model, registers, encode(Opcode.VECTOR, function=Function.MAXIMUM, in_address=in_address,
                                        out_address=out_address, y_count=1, columns=4))[1] is Fault.UNIFIED_BUFFER_RANGE
    before[out_address:out_address + 4 * written] = -3
    assert (model.unified_buffer == before).all()


def test_weight_and_host_range_faults():
    model = filled(CONFIGS[0])
    assert run(model, encode(Opcode.READ_WEIGHTS, address=120, count=8))[0] is State.HALTED
    assert run(model, encode(Opcode.READ_WEIGHTS, address=120, count=9)) == \
        (State.FAULTED, Fault.WEIGHT_MEMORY_RANGE, 0)
    for opcode in (Opcode.READ_HOST_MEMORY, Opcode.WRITE_HOST_MEMORY):
        host = Host()
        assert run(model, encode(opcode, ub_address=500, length=13), host=host) == \
            (State.FAULTED, Fault.UNIFIED_BUFFER_RANGE, 0)
        assert host.calls == []
