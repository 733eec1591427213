"""One cell, cycle by cycle, against its definition."""

import numpy as np
from amaranth.sim import Simulator
from systolith.rtl.mac import MacCell, sum_width


def test_sum_width_holds_extremes_and_no_more():
    for n in (1, 2, 3, 4, 7, 8, 255, 256, 1024):
        limit = 1 << (sum_width(n) - 1)
        assert n * 128 * 128 <= limit - 1 and n * -128 * 127 >= -limit
        assert n * 128 * 128 > (limit >> 1) - 1


def test_cell():
    rng = np.random.default_rng(1)
    cycles = 400
    activation = rng.choice([-128, -1, 0, 1, 127, *rng.integers(-128, 128, 20)], cycles)
    weight = rng.choice([-128, -1, 0, 1, 127, *rng.integers(-128, 128, 20)], cycles)
    switch, shift = rng.random((2, cycles)) < 0.3
    total = rng.integers(-(1 << 17), 1 << 17, cycles)
    total[:2] = 0

    latency = MacCell.latency("portable")
    assert latency == 3
    dut = MacCell("portable", 18, 19)
    shadow = active = 0
    expected, shadows = [], []
    for t in range(cycles):
        if switch[t]:
            active = shadow
        if shift[t]:
            shadow = weight[t]
        expected.append(int(activation[t]) * int(active))
        shadows.append(shadow)

    async def bench(ctx):
        for t in range(cycles):
            ctx.set(dut.west, {"activation": int(activation[t]), "switch": int(switch[t]), "shift": int(shift[t])})
            ctx.set(dut.weight, int(weight[t]))
            ctx.set(dut.sum, int(total[t]))
            await ctx.tick()
            east = ctx.get(dut.east)
            assert (east.activation, east.switch, east.shift) == (activation[t], switch[t], shift[t])
            assert ctx.get(dut.weight_out) == shadows[t]
            if t >= latency - 1:
                assert ctx.get(dut.sum_out) == expected[t - latency + 1] + total[t]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
