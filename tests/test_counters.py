import random

from benches import run_benches
from systolith.rtl.config import Config
from systolith.rtl.counters import Counters, CountersLayout
from systolith.rtl.isa import Unit
from systolith.rtl.packets import COUNTERS

CONFIG = Config(rows=4, cols=4, requantise_lanes=2, tag_depth=5)


def simulate(testbench):
    dut = Counters(CONFIG)

    async def run(context):
        await testbench(context, dut)

    run_benches(dut, run)


def values(context, dut):
    return {name: context.get(dut.values[name]) for name in COUNTERS}


async def random_cycle(context, dut, expected):
    """One enabled cycle of random events; counts it in `expected`."""
    matrix = random.choice((None, "array_active", "weight_stall", "weight_shift"))
    blocked_by = random.choice(list(Unit))
    events = {name: name == matrix for name in ("array_active", "weight_stall", "weight_shift")}
    events |= {name: random.randrange(2) for name in ("useful_macs", "vector_active", "activation_active")}
    for name, value in events.items():
        context.set(getattr(dut, name), value)
        expected[name] += value
    context.set(dut.matrix_blocked_by, blocked_by)
    expected["cycles"] += 1
    if matrix is None and blocked_by is not Unit.NONE:
        expected["input_stall" if blocked_by is Unit.HOST else "raw_stall"] += 1
    await context.tick()


def test_counts_and_snapshots():
    random.seed(2)

    async def testbench(context, dut):
        expected = dict.fromkeys(COUNTERS, 0)
        snapshots = {}
        context.set(dut.enable, 1)
        for tag in (4, 0, 2):
            for _ in range(30):
                await random_cycle(context, dut, expected)
            context.set(dut.enable, 0)
            await context.tick().repeat(3)
            context.set(dut.enable, 1)
            assert values(context, dut) == expected
            snapshots[tag] = dict(expected)
            context.set(dut.tag, tag)
            context.set(dut.snapshot, 1)
            await random_cycle(context, dut, expected)
            context.set(dut.snapshot, 0)
        await context.tick()
        for tag, snapshot in snapshots.items():
            context.set(dut.tags.address, tag)
            context.set(dut.tags.en, 1)
            await context.tick()
            stored = CountersLayout().from_bits(context.get(dut.tags.data))
            assert {name: stored[name] for name in COUNTERS} == snapshot

    simulate(testbench)


def test_enable_and_clear():
    async def testbench(context, dut):
        expected = dict.fromkeys(COUNTERS, 0)
        context.set(dut.enable, 1)
        await random_cycle(context, dut, expected)
        context.set(dut.enable, 0)
        await context.tick().repeat(4)
        assert values(context, dut) == expected
        context.set(dut.clear, 1)
        await context.tick().repeat(4)
        assert values(context, dut) == dict.fromkeys(COUNTERS, 0)

    simulate(testbench)


def test_first_counter_is_lowest():
    assert CountersLayout()["cycles"].offset == 0
    assert list(dict(CountersLayout())) == list(COUNTERS)
