"""The queue with a register for its `ready`."""

import random

import pytest
from amaranth.sim import Simulator
from systolith.rtl.stream_queue import StreamQueue


def transfers(offers, takes):
    """The cycles in which something arrived and was taken; what was taken is checked."""
    dut, arrived, taken = StreamQueue(8), [], []

    async def testbench(ctx):
        for cycle, (offer, take) in enumerate(zip(offers, takes, strict=True)):
            ctx.set(dut.arriving.payload, len(arrived) & 0xFF)
            ready = ctx.get(dut.arriving.ready)
            ctx.set(dut.arriving.valid, offer)
            ctx.set(dut.kept.ready, take)
            assert ctx.get(dut.arriving.ready) == ready, "whether it takes something depends on neither side"
            assert ctx.get(dut.empty) == (len(arrived) == len(taken))
            if take and ctx.get(dut.kept.valid):
                assert ctx.get(dut.kept.payload) == len(taken) & 0xFF
                taken.append(cycle)
            if offer and ready:
                arrived.append(cycle)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return arrived, taken


def test_a_transfer_every_cycle_after_two():
    arrived, taken = transfers([True] * 50, [True] * 50)
    assert arrived == list(range(1, 50))
    assert taken == list(range(3, 50))


def test_keeps_what_is_not_taken():
    arrived, taken = transfers([True] * 40, [False] * 20 + [True] * 20)
    assert len([cycle for cycle in arrived if cycle < 20]) == 4
    assert taken[:4] == [20, 21, 22, 23]


@pytest.mark.parametrize("offering, taking", ((0.5, 0.5), (0.9, 0.3), (0.3, 0.9)))
def test_at_random(offering, taking):
    random.seed(1)
    arrived, taken = transfers(*([random.random() < often for _ in range(2000)] for often in (offering, taking)))
    assert len(taken) > 500
    assert len(arrived) - len(taken) <= 4
