"""The systolic array against numpy: tiles of all lengths, as early and as late as the array allows."""

import cocotb
import numpy as np
from systolith.rtl.array import SystolicArray
from systolith.rtl.mac import sum_width
from systolith.sim.cocotb_bus import cycle, pack, start
from systolith.sim.cocotb_runner import settings

CORNERS = [-128, -127, -1, 0, 1, 127]
TILES = 40


def schedule(rng, config, gaps):
    """Random tiles and vectors: by cycle the weight row that is shifted in, and (vector, switch, expected sums).

    A weight row comes late with probability `gaps`.
    """
    shifts, vectors, now, free = {}, {}, 0, 0
    for number in range(TILES):
        tile = rng.choice([*CORNERS, *range(-100, 101, 7)], (config.rows, config.cols)) if number else np.full(
            (config.rows, config.cols), -128)
        for row in reversed(range(config.rows)):  # the bottom row first
            while rng.random() < gaps:
                free += 1
            shifts[free] = tile[row]
            free += 1
        # From the switch on, the rows of the next tile may come.
        free = now = max(now, free)
        for i in range(rng.integers(1, 2 * config.rows)):
            vector = rng.choice([*CORNERS, *range(-100, 101, 7)], config.rows) if number else np.full(config.rows, -128)
            vectors[now] = vector, i == 0, vector @ tile
            now += 1
    return shifts, vectors


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.4])
async def sums_as_by_numpy(dut, gaps):
    told = settings()
    config, rng = told.config, np.random.default_rng(told.seed)
    width, latency = sum_width(config.rows), SystolicArray.latency(config)
    ahead = SystolicArray.shift_ahead(config)
    shifts, vectors = schedule(rng, config, gaps)
    checked = 0

    await start(dut, told.inputs)
    for now in range(-ahead, max(vectors) + latency + config.cols):
        vector, switch, _ = vectors.get(now, (rng.integers(-128, 128, config.rows), False, None))
        dut.activations.value = pack(vector, 8)
        dut.switch.value = int(switch)
        dut.weights.value = pack(shifts.get(now, rng.integers(-128, 128, config.cols)), 8)
        dut.shift.value = int(now + ahead in shifts)
        await cycle(dut)
        # Other columns may still be unknown: registers in DSP blocks have no value before their first one.
        sums = dut.sums.value
        for c in range(config.cols):
            if (entered := now - latency - c) in vectors:
                value = sums[width * (c + 1) - 1:width * c].to_signed()
                assert value == vectors[entered][2][c], (entered, c)
                checked += 1
    assert checked == len(vectors) * config.cols
