"""The weight memory: depth, latency, order of writing and reading."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.config import Config
from systolith.rtl.weight_memory import WeightMemory


@pytest.mark.parametrize("bank", [2048, 11, 4, 1])
@pytest.mark.parametrize("count, path", [(11, 1), (22, 2)])
def test_rows_are_read_some_cycles_after_their_addresses(count, path, bank, monkeypatch):
    monkeypatch.setattr(WeightMemory, "BANK_ROWS", bank)
    config = Config(rows=4, cols=5, requantise_lanes=1, weight_memory_rows=count, weight_path_rows=path)
    rows = [int.from_bytes(np.random.default_rng(i).bytes(5), "little") for i in range(count)]
    words = [sum(row << 40 * i for i, row in enumerate(rows[k:k + path])) for k in range(0, count, path)]
    dut = WeightMemory(config)

    async def bench(ctx):
        for address, row in enumerate(rows):
            ctx.set(dut.write.en, 1)
            ctx.set(dut.write.address, address)
            ctx.set(dut.write.data, row)
            await ctx.tick()
        ctx.set(dut.write.en, 0)
        ctx.set(dut.write.data, 0)
        await ctx.tick().repeat(WeightMemory.WRITTEN - 1)
        ctx.set(dut.read.en, 1)
        asked = [*reversed(range(11)), 3, 10]
        for cycle in range(len(asked) + WeightMemory.LATENCY):
            if cycle < len(asked):
                ctx.set(dut.read.address, asked[cycle])
            if cycle >= WeightMemory.LATENCY:
                assert ctx.get(dut.read.data) == words[asked[cycle - WeightMemory.LATENCY]]
            await ctx.tick()

    run_benches(dut, bench)
