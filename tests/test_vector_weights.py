"""The store of depthwise weights: what is loaded is read back, nothing else changes."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.config import Config
from systolith.rtl.isa import Destination
from systolith.rtl.vector_weights import DepthwiseWeights


@pytest.mark.parametrize("taps, kernel_rows", [(3, 3), (1, 1), (4, 8), (5, 2)])
def test_slots_and_kernel_rows(taps, kernel_rows):
    config = Config(rows=3, cols=4, requantise_lanes=2, vector_taps=taps, vector_kernel_rows=kernel_rows,
                    parameter_slots=3)
    dut = DepthwiseWeights(config)
    rng = np.random.default_rng(0)
    full = 9 + taps * kernel_rows
    # Slot, rows: the second has rows too many, the third a part only, the last is for another unit.
    sets = [(Destination.VECTOR, 0, full), (Destination.VECTOR, 2, full + 5), (Destination.VECTOR, 1, full),
            (Destination.VECTOR, 1, 9 + taps), (Destination.ACTIVATION, 0, full)]
    stored = {}

    async def bench(ctx):
        for destination, slot, rows in sets:
            for index in range(rows):
                row = int(rng.integers(1 << 32))
                ctx.set(dut.load.valid, 1)
                ctx.set(dut.load.destination, destination)
                ctx.set(dut.load.slot, slot)
                ctx.set(dut.load.index, index)
                ctx.set(dut.load.data, row)
                if destination == Destination.VECTOR and 9 <= index < full:
                    stored[slot, *divmod(index - 9, taps)] = row
                await ctx.tick()
                ctx.set(dut.load.valid, 0)
                if index % 2:
                    await ctx.tick()
        for slot in range(3):
            for kernel_row in range(kernel_rows):
                ctx.set(dut.slot, slot)
                ctx.set(dut.kernel_row, kernel_row)
                await ctx.tick().repeat(dut.LATENCY)
                assert [ctx.get(w) for w in dut.weights] == [stored[slot, kernel_row, k] for k in range(taps)]

    run_benches(dut, bench)
