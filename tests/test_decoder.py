import pytest
from amaranth.sim import Simulator
from systolith.rtl import encoding
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.decoder import Decoder
from systolith.rtl.isa import CONFIG, SINK, TABLE, Destination, Function, Opcode, Unit

WITH_VECTOR = Config(rows=12, cols=10, requantise_lanes=5, unified_buffer_bytes=4096, parameter_slots=3, tag_depth=100)
WITHOUT_VECTOR = PRESETS["pico"]


def decode(config, words):
    """(legal, queue, work) of each word."""
    dut = Decoder(config)
    results = []

    async def testbench(context):
        for word in words:
            context.set(dut.word, word)
            results.append((context.get(dut.legal), context.get(dut.queue), context.get(dut.work)))

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()
    return results


def legal(config, opcode, name, values, **fields):
    """Those of `values` with which field `name` makes a legal instruction."""
    words = [int.from_bytes(encoding.encode(opcode, **fields, **{name: value}), "little") for value in values]
    return [value for value, (ok, *_) in zip(values, decode(config, words), strict=True) if ok]


def test_opcodes():
    assert [opcode for opcode, (ok, *_) in enumerate(decode(WITH_VECTOR, range(32)))
            if not ok] == [Opcode.ACTIVATE, Opcode.VECTOR, Opcode.TAG, Opcode.SET_CONFIGURATION, *range(13, 32)]


def test_queue_and_work():
    words, expected = [], []
    for opcode, row in TABLE.items():
        fields = {}
        if opcode in (Opcode.ACTIVATE, Opcode.VECTOR):
            fields = {"columns": 1}
        elif opcode in (Opcode.SYNCHRONISE, Opcode.SET_CONFIGURATION, Opcode.TAG):
            fields = {"unit": Unit.ACTIVATION}
        unit = Unit.NONE if opcode is Opcode.TAG else fields.get("unit", row.unit)
        words.append(int.from_bytes(encoding.encode(opcode, **fields), "little"))
        expected.append((1, 1 << unit - 1 if unit else 0, row.work))
    assert decode(WITH_VECTOR, words) == expected


@pytest.mark.parametrize("config, last", [(WITH_VECTOR, Unit.VECTOR), (WITHOUT_VECTOR, Unit.ACTIVATION)])
def test_unit_fields(config, last):
    assert legal(config, Opcode.NOP, "wait0_unit", range(8)) == list(range(last + 1))
    assert legal(config, Opcode.HALT, "wait1_unit", range(8)) == list(range(last + 1))
    assert legal(config, Opcode.SYNCHRONISE, "unit", range(8)) == list(range(last + 1))
    assert legal(config, Opcode.TAG, "unit", range(8)) == list(range(1, last + 1))
    assert legal(config, Opcode.SET_CONFIGURATION, "unit", range(8)) == list(range(Unit.MATRIX, last + 1))


def test_values_at_the_limits():
    c = WITH_VECTOR
    for opcode in (Opcode.ACTIVATE, Opcode.VECTOR):
        assert legal(c, opcode, "columns", (0, 1, 10, 11, 511)) == [1, 10]
        assert legal(c, opcode, "slot", range(8), columns=1) == [0, 1, 2]
    assert legal(c, Opcode.VECTOR, "function", range(8), columns=1) == list(Function)
    assert legal(c, Opcode.TAG, "tag", (0, 99, 100, 4095), unit=1) == [0, 99]
    assert legal(c, Opcode.READ_WEIGHTS, "destination", Destination, slot=3) == [Destination.ARRAY, Destination.TABLE]


def test_rows_for_the_array_come_two_by_two():
    pairs = Config(rows=4, cols=4, requantise_lanes=1, weight_path_rows=2)
    for name in ("address", "count"):
        assert legal(pairs, Opcode.READ_WEIGHTS, name, range(6)) == [0, 2, 4]
        assert legal(pairs, Opcode.READ_WEIGHTS, name, range(6), destination=Destination.ACTIVATION) == [*range(6)]
        assert legal(WITH_VECTOR, Opcode.READ_WEIGHTS, name, range(6)) == [*range(6)]


def test_largest_tag_depth():
    assert legal(Config(tag_depth=4096), Opcode.TAG, "tag", [4095], unit=1) == [4095]


@pytest.mark.parametrize("unit", CONFIG)
def test_register_index(unit):
    for index in ("index0", "index1"):
        assert legal(WITH_VECTOR, Opcode.SET_CONFIGURATION, index, range(32), unit=unit) == [
            *range(len(CONFIG[unit])), SINK]


def test_nothing_for_a_vector_unit_that_is_not_there():
    assert legal(WITHOUT_VECTOR, Opcode.VECTOR, "columns", [1]) == []
    assert Destination.VECTOR not in legal(WITHOUT_VECTOR, Opcode.READ_WEIGHTS, "destination", Destination)
