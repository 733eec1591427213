"""The weight memory: depth, latency, order of writing and reading."""

import numpy as np
from amaranth.sim import Simulator
from systolith.rtl.config import Config
from systolith.rtl.weight_memory import WeightMemory


def test_rows_are_read_one_cycle_after_en():
    config = Config(rows=3, cols=5, requantise_lanes=1, weight_memory_rows=11)
    rows = [int.from_bytes(np.random.default_rng(i).bytes(5), "little") for i in range(11)]
    dut = WeightMemory(config)

    async def bench(ctx):
        for address, row in enumerate(rows):
            ctx.set(dut.write.en, 1)
            ctx.set(dut.write.address, address)
            ctx.set(dut.write.data, row)
            await ctx.tick()
        ctx.set(dut.write.en, 0)
        ctx.set(dut.write.data, 0)
        await ctx.tick()
        ctx.set(dut.read.en, 1)
        for address in reversed(range(11)):
            ctx.set(dut.read.address, address)
            await ctx.tick()
            assert ctx.get(dut.read.data) == rows[address]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
