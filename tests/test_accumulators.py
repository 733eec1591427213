"""The accumulators against a numpy array: every distance between additions to one row, reads in between."""

import numpy as np
from benches import run_benches
from systolith.rtl.accumulators import Accumulators
from systolith.rtl.config import Config
from systolith.rtl.mac import sum_width

CONFIG = Config(rows=5, cols=4, requantise_lanes=2, accumulator_depth=19)


def run(vectors, reads=(), config=CONFIG):
    """Feeds (en, address, accumulate, sums) a cycle; `reads` maps cycles to addresses. Returns the rows read."""
    cols, width = config.cols, sum_width(config.rows)
    reads = dict(reads)
    dut = Accumulators(config)
    seen = {}

    async def bench(ctx):
        for now in range(max([len(vectors) + 20, *reads]) + 2):
            en, address, accumulate, _ = vectors[now] if now < len(vectors) else (0, 0, 0, None)
            ctx.set(dut.control, {"en": en, "address": address, "accumulate": accumulate})
            sums = 0
            for c in range(cols):
                source = now - Accumulators.SUM_DELAY - c
                if 0 <= source < len(vectors):
                    sums |= (int(vectors[source][3][c]) & ((1 << width) - 1)) << (width * c)
            ctx.set(dut.sums, sums)
            if now - 1 in reads:
                raw = ctx.get(dut.read.data).to_bytes(4 * cols, "little")
                seen[now - 1] = np.frombuffer(raw, np.int32)
            ctx.set(dut.read.en, now in reads)
            ctx.set(dut.read.address, reads.get(now, 0))
            await ctx.tick()

    run_benches(dut, bench)
    return seen


def expected(vectors):
    memory = np.zeros((CONFIG.accumulator_depth, CONFIG.cols), np.int32)
    for en, address, accumulate, sums in vectors:
        if en:
            memory[address] = sums + (memory[address] if accumulate else 0)
    return memory


def random_vectors(rng, count, addresses):
    limit = 1 << (sum_width(CONFIG.rows) - 1)
    sums = rng.integers(-limit, limit, (count, CONFIG.cols))
    sums[::7] = -limit
    sums[1::7] = limit - 1
    return [(int(rng.random() < 0.85), int(rng.choice(addresses)), int(rng.random() < 0.75), s.astype(np.int32))
            for s in sums]


def final(vectors, config=CONFIG):
    start = len(vectors) + Accumulators.written(config)
    seen = run(vectors, {start + a: a for a in range(config.accumulator_depth)}, config)
    return np.array([seen[start + a] for a in range(config.accumulator_depth)])


def test_random_over_few_rows():
    """With three rows nearly every vector meets one of the last four on its row."""
    vectors = random_vectors(np.random.default_rng(5), 500, [0, 7, 18])
    assert np.array_equal(final(vectors), expected(vectors))


def test_random_over_all_rows():
    vectors = random_vectors(np.random.default_rng(6), 400, range(CONFIG.accumulator_depth))
    assert np.array_equal(final(vectors), expected(vectors))


def test_sums_wrap():
    config = Config(rows=1024, cols=4, requantise_lanes=2, accumulator_depth=19)
    limit = 1 << (sum_width(config.rows) - 1)
    sums = np.array([limit - 1, -limit, 1, -1], np.int32)
    vectors = [(1, 3, int(i > 0), sums) for i in range((1 << 31) // limit + 2)]
    result = final(vectors, config)
    assert result[3, 0] < 0 < result[3, 1]
    with np.errstate(over="ignore"):
        assert np.array_equal(result, expected(vectors))


def test_a_read_sees_the_row_when_promised():
    rng = np.random.default_rng(7)
    vectors = [(1, 4, 0, np.full(CONFIG.cols, 11, np.int32)), *[(0, 0, 0, np.zeros(CONFIG.cols, np.int32))] * 30,
               (1, 4, 1, rng.integers(1, 1000, CONFIG.cols).astype(np.int32))]
    ready = 31 + Accumulators.written(CONFIG)
    seen = run(vectors, {ready - 1: 4, ready: 4})
    assert np.array_equal(seen[ready], expected(vectors)[4])
    assert seen[ready - 1][-1] == 11
