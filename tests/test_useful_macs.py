import random
from collections import deque

import pytest
from benches import run_benches
from systolith.rtl.compact.matrix import CompactMatrixUnit
from systolith.rtl.config import MULTIPLIERS, PRESETS, Config
from systolith.rtl.matrix import MatrixUnit
from systolith.rtl.tile_fifo import TileFifo
from systolith.rtl.useful_macs import UsefulMacs


@pytest.mark.parametrize("rows, cols, path", [
    (4, 4, 1), (1, 2, 1), (3, 5, 1), (8, 16, 1), (5, 17, 1), (2, 3, 2), (8, 16, 2)])
def test_counts_whole_cycles_of_weights_that_are_not_zero(rows, cols, path):
    rng = random.Random(rows)
    config = Config(rows=rows, cols=cols, requantise_lanes=1, weight_path_rows=path)
    dut = UsefulMacs(config)
    macs = [0]  # useful ones before each cycle
    full = []
    rows_under_way = deque([0] * TileFifo.LATENCY)

    async def testbench(context):
        taken = shadow = active = 0
        for cycle in range(3000):
            # Long stretches of what makes the counter run fast: full tiles, vectors without a pause.
            zeros, pace = ((0, 1.0), (0.5, 0.5), (0.9, 0.9), (1, 0.3))[cycle // 50 % 4]
            row_taken = taken < rows and rng.random() < 0.8
            row = [0 if rng.random() < zeros else rng.randrange(1, 256) for _ in range(path * cols)]
            if row_taken:
                taken, shadow = taken + path, shadow + sum(weight != 0 for weight in row)
            vector = rng.random() < pace
            switching = vector and taken == rows and rng.random() < 0.5
            if switching:
                taken, shadow, active = 0, 0, shadow
            macs.append(macs[-1] + vector * active)
            rows_under_way.append(int.from_bytes(bytes(row), "little"))
            for name, value in (("row_taken", row_taken), ("row", rows_under_way.popleft()),
                                ("switching", switching), ("vector", vector)):
                context.set(getattr(dut, name), value)
            full.append(context.get(dut.full))
            await context.tick()

    run_benches(dut, testbench)
    size, late = rows * cols, UsefulMacs.latency(config)
    assert macs[-1] > 100 * size
    assert [sum(full[:cycle]) for cycle in range(late, len(full))] == [
        macs[cycle - late] // size for cycle in range(late, len(full))]


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_what_has_retired_is_counted(multiplier):
    for rows in (1, 2, 3, 16):
        for cols in (2, 3, 16, 256):
            for path in (1, 2)[:2 - rows % 2]:
                wide = Config(rows=rows, cols=cols, requantise_lanes=1, multiplier=multiplier, weight_path_rows=path)
                assert UsefulMacs.latency(wide) < MatrixUnit.retire_latency(wide)
        for cols in (4, 8):
            changes = {"rows": min(rows, cols), "cols": cols, "multiplier": multiplier}
            small = Config(**PRESETS["pico"].as_dict() | changes)
            assert UsefulMacs.latency(small) < CompactMatrixUnit.retire_latency(small)
