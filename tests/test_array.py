"""The array against numpy: tiles that follow each other at every legal distance."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.array import SystolicArray
from systolith.rtl.config import MULTIPLIERS, Config

pytestmark = pytest.mark.parametrize("multiplier", MULTIPLIERS)

#: Rows, columns, and rows of weights that come a cycle.
SIZES = [(3, 5, 1), (4, 4, 1), (8, 2, 1), (1, 3, 1), (2, 2, 1), (4, 5, 2), (8, 2, 2), (2, 3, 2)]


def pack(values):
    return int.from_bytes(np.asarray(values, np.int8).tobytes(), "little")


def run(config, lengths, rng, gaps=0.0):
    """Multiplies `lengths[k]` vectors by tile k, as soon as the array allows; compares every sum.

    `gaps` is the probability that no weight row comes in a cycle. Returns the cycles of the switches.
    """
    rows, cols, path = config.rows, config.cols, config.weight_path_rows
    choices = np.array([-128, -127, -1, 0, 1, 127, *range(-100, 101, 7)])
    tiles = rng.choice(choices, (len(lengths), rows, cols))
    tiles[0] = -128
    inputs = [rng.choice(choices, (n, rows)) for n in lengths]
    inputs[0][0] = -128

    # The schedule by the contract alone: rows of tile k+1 from the switch to tile k on, each switch after its last row.
    shifts, switches, vectors, t, free = {}, [], {}, 0, 0
    for tile, vector in zip(tiles, inputs):
        for r in range(rows, 0, -path):
            while rng.random() < gaps:
                free += 1
            shifts[free] = tile[r - path:r][::-1]
            free += 1
        t = max(t, free)
        switches.append(t)
        free = t
        for v in vector:
            vectors[t] = (v, v @ tile)
            t += 1

    dut = SystolicArray(config)
    latency, ahead, width = SystolicArray.latency(config), SystolicArray.shift_ahead(config), dut.sum_width
    sums = {}

    async def bench(ctx):
        for now in range(-ahead, t + latency + cols):
            vector = vectors[now][0] if now in vectors else rng.integers(-128, 128, rows)
            row = shifts[now] if now in shifts else rng.integers(-128, 128, (path, cols))
            ctx.set(dut.activations, pack(vector))
            ctx.set(dut.switch, now in switches)
            ctx.set(dut.weights, pack(row))
            ctx.set(dut.shift, now + ahead in shifts)
            sums[now] = ctx.get(dut.sums)
            await ctx.tick()

    run_benches(dut, bench)

    for start, (_, expected) in vectors.items():
        for c in range(cols):
            value = sums[start + latency + c] >> (width * c) & ((1 << width) - 1)
            value -= (value >> (width - 1)) << width
            assert value == expected[c], (start, c)
    return switches


@pytest.mark.parametrize("rows, cols, path", SIZES)
def test_one_vector_a_tile_as_soon_as_its_rows_have_come(rows, cols, path, multiplier):
    config = Config(rows=rows, cols=cols, requantise_lanes=1, multiplier=multiplier, weight_path_rows=path)
    switches = run(config, [1] * 12, np.random.default_rng(2))
    assert np.diff(switches).tolist() == [rows // path] * 11


@pytest.mark.parametrize("rows, cols, path", SIZES)
def test_long_tiles_follow_without_a_gap(rows, cols, path, multiplier):
    config = Config(rows=rows, cols=cols, requantise_lanes=1, multiplier=multiplier, weight_path_rows=path)
    lengths = [rows, rows + 3, rows + 1, rows, 2 * rows, rows]
    switches = run(config, lengths, np.random.default_rng(3))
    assert np.diff(switches).tolist() == lengths[:-1]


@pytest.mark.parametrize("rows, path", [(2, 1), (4, 1), (5, 1), (2, 2), (6, 2)])
def test_rows_of_a_tile_may_come_with_gaps(rows, path, multiplier):
    config = Config(rows=rows, cols=3, requantise_lanes=1, multiplier=multiplier, weight_path_rows=path)
    run(config, [1, 7, 2, 5, 1, 1, 9, 3], np.random.default_rng(4), gaps=0.4)


def test_columns_of_adders_are_as_the_others(multiplier):
    # Of the configuration: only winograd has them.
    columns = 2 if multiplier == "winograd" else 0
    config = Config(rows=5, cols=3, requantise_lanes=1, multiplier=multiplier, adder_columns=columns)
    run(config, [1, 1, 4, 6, 1], np.random.default_rng(5))
