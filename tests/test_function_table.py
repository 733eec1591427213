"""The function table, every entry of it, for row widths that do and do not divide 256."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.function_table import FunctionTable, FunctionTables


@pytest.mark.parametrize("cols", [2, 3, 10, 16, 100, 255, 256])
def test_every_entry_is_found(cols):
    rng = np.random.default_rng(cols)
    table = rng.integers(0, 256, 256, dtype=np.uint8)
    rows = -(-256 // cols)
    padded = np.resize(np.append(table, rng.integers(0, 256, cols, dtype=np.uint8)), (rows, cols))
    use = rng.integers(0, 2, 256)
    dut = FunctionTable(cols)
    results = []

    async def bench(ctx):
        ctx.set(dut.write_en, 1)
        for index, row in enumerate(padded):
            ctx.set(dut.write_index, index)
            ctx.set(dut.write_data, int.from_bytes(row.tobytes(), "little"))
            await ctx.tick()
        ctx.set(dut.write_en, 0)
        for cycle in range(256 + dut.LATENCY):
            ctx.set(dut.entry, cycle % 256)
            ctx.set(dut.use, int(use[cycle % 256]))
            if cycle >= dut.LATENCY:
                results.append(ctx.get(dut.result))
            await ctx.tick()

    run_benches(dut, bench)
    assert results == np.where(use, table, np.arange(256)).tolist()


@pytest.mark.parametrize("lanes", [1, 2, 3, 7])
def test_lanes_look_up_each_for_itself(lanes):
    rng = np.random.default_rng(lanes)
    table = rng.integers(0, 256, (256 // 16, 16), dtype=np.uint8)
    entries = rng.integers(0, 256, (20, lanes), dtype=np.uint8)
    dut = FunctionTables(16, lanes)
    results = []

    async def bench(ctx):
        ctx.set(dut.write_en, 1)
        ctx.set(dut.use, 1)
        for index, row in enumerate(table):
            ctx.set(dut.write_index, index)
            ctx.set(dut.write_data, int.from_bytes(row.tobytes(), "little"))
            await ctx.tick()
        ctx.set(dut.write_en, 0)
        for vector in (*entries, *[entries[0]] * FunctionTable.LATENCY):
            ctx.set(dut.entries, int.from_bytes(vector.tobytes(), "little"))
            results.append(list(ctx.get(dut.results).to_bytes(lanes, "little")))
            await ctx.tick()

    run_benches(dut, bench)
    assert results[FunctionTable.LATENCY:] == table.ravel()[entries].tolist()
