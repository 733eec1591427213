"""The sliding window against lists."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.config import Config
from systolith.rtl.vector_window import VectorWindow


@pytest.mark.parametrize("taps, kernel_rows, used", [(3, 4, 4), (3, 3, 2), (4, 5, 1), (2, 1, 1)])
def test_each_kernel_row_slides_by_itself(taps, kernel_rows, used):
    config = Config(rows=3, cols=4, requantise_lanes=2, vector_taps=taps, vector_kernel_rows=kernel_rows)
    dut = VectorWindow(config)
    rng = np.random.default_rng(0)
    history = [[] for _ in range(kernel_rows)]

    # The row of each cycle: all used rows again and again with random pauses, a row every second cycle at most.
    rows = []
    for row in list(range(used)) * 12:
        rows += [row] + [None] * (used == 1 or int(rng.integers(3)) == 0)

    async def bench(ctx):
        for row, arrived in zip([*rows, None], [None, *rows]):
            ctx.set(dut.kernel_row, row or 0)
            ctx.set(dut.en, arrived is not None)
            if arrived is not None:
                vector = int(rng.integers(1 << 32))
                ctx.set(dut.vector, vector)
                history[arrived].append(vector)
                if len(history[arrived]) >= taps:
                    assert [ctx.get(tap) for tap in dut.window] == history[arrived][-taps:]
            await ctx.tick()

    run_benches(dut, bench)
