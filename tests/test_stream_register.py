import random

from amaranth.sim import Simulator
from systolith.rtl.stream_register import StreamRegister


def transfers(offers, takes):
    """What arrives and what is taken, with their cycles, where `offers` and `takes` say in which that may be."""
    dut, arrived, taken = StreamRegister(8), [], []

    async def testbench(ctx):
        value = 0
        for cycle, (offer, take) in enumerate(zip(offers, takes, strict=True)):
            ctx.set(dut.arriving.valid, offer)
            ctx.set(dut.arriving.payload, value if offer else 0xFF)
            ctx.set(dut.kept.ready, take)
            if ctx.get(dut.kept.valid) and take:
                taken.append((cycle, ctx.get(dut.kept.payload)))
                await ctx.tick()
                # Stays for one more cycle, whatever arrives.
                assert ctx.get(dut.kept.payload) == taken[-1][1]
                assert not ctx.get(dut.kept.valid)
                continue
            if offer and ctx.get(dut.arriving.ready):
                arrived.append((cycle, value))
                value = (value + 1) % 255
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return arrived, taken


def test_every_second_cycle_after_one():
    arrived, taken = transfers([True] * 20, [True] * 20)
    assert arrived == [(cycle, cycle // 2) for cycle in range(0, 20, 2)]
    assert taken == [(cycle + 1, value) for cycle, value in arrived]


def test_nothing_is_lost_or_changed():
    rng = random.Random(1)
    arrived, taken = transfers(*([rng.random() < chance for _ in range(500)] for chance in (0.6, 0.4)))
    assert len(arrived) > 100
    assert [value for _, value in taken] == [value for _, value in arrived][:len(taken)]
    assert len(arrived) - len(taken) <= 1
