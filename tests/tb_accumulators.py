"""The accumulators against a numpy array: additions to one row at every distance, and rows read while others change."""

import cocotb
import numpy as np
from systolith.rtl.accumulators import Accumulators, VectorControl
from systolith.rtl.mac import sum_width
from systolith.sim.arithmetic import wrap32
from systolith.sim.cocotb_bus import cycle, pack, start, unpack
from systolith.sim.cocotb_runner import settings

VECTORS = 800


@cocotb.test()
@cocotb.parametrize(rows=[3, 16])
async def rows_as_by_numpy(dut, rows):
    """With three rows in use nearly every vector meets one of the last four on its row."""
    told = settings()
    config, rng = told.config, np.random.default_rng(told.seed)
    depth, width, written = config.accumulator_depth, sum_width(config.rows), Accumulators.written(config)
    layout = VectorControl(depth)
    used = rng.permutation(depth)[:rows]
    limit = 1 << (width - 1)
    sums = np.where(rng.random((VECTORS, config.cols)) < 0.2, rng.choice([-limit, limit - 1], (VECTORS, config.cols)),
                    rng.integers(-limit, limit, (VECTORS, config.cols)))

    model = np.zeros((depth, config.cols), np.int64)
    changed = np.zeros(depth, int)  # cycle of the last vector for each row
    due = {}
    await start(dut, told.inputs)
    for now in range(VECTORS + written + depth):
        en, address, accumulate = rng.random() < 0.85, int(rng.choice(used)), rng.random() < 0.75
        if now < depth:  # first contents for all
            en, address, accumulate = True, now, False
        en = en and now < VECTORS
        # At the end each row in turn; before, one that no vector in flight will still change.
        settled = np.flatnonzero(changed + written <= now)
        if now >= depth + written:
            row = now - VECTORS - written if now >= VECTORS + written else int(rng.choice(settled))
            due[now + 1] = model[row].copy()
            dut.read__en.value, dut.read__address.value = 1, row
        dut.control.value = layout.const(
            {"en": int(en), "address": address, "accumulate": int(accumulate)}).as_value().value
        if en:
            model[address] = wrap32(sums[now] + (model[address] if accumulate else 0))
            changed[address] = now
        late = [now - Accumulators.SUM_DELAY - c for c in range(config.cols)]
        dut.sums.value = pack([sums[t][c] if 0 <= t < VECTORS else -1 for c, t in enumerate(late)], width)
        await cycle(dut)
        if now in due:
            np.testing.assert_array_equal(unpack(dut.read__data.value, config.cols, 32), due[now], str(now))
