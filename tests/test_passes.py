import numpy as np
import pytest
from systolith.host.compiler.passes import cover, group, tiles


@pytest.mark.parametrize("seed", range(20))
def test_windows_hold_every_offset_and_tiles_give_the_same_product(seed):
    rng = np.random.default_rng(seed)
    rows, cols = int(rng.integers(1, 20)), int(rng.integers(2, 9))
    offsets = np.sort(rng.choice(200, size=rng.integers(1, 60), replace=False))
    weights = rng.integers(-128, 128, (len(offsets), cols)).astype(np.int8)
    memory = rng.integers(-128, 128, 400)
    starts = cover(offsets, rows)
    assert all(np.any((offsets >= s) & (offsets < s + rows)) for s in starts)
    made = tiles(offsets, weights, starts, rows, cols).astype(int)
    product = sum(memory[s:s + rows] @ tile for s, tile in zip(starts, made))
    assert np.array_equal(product, memory[offsets] @ weights)


def test_a_kernel_of_contiguous_rows_is_one_loop_nest():
    # 3x3 kernel, 16 channels, rows of 34 pixels: three passes of 16 bytes along each of three kernel rows.
    offsets = np.array([y * 34 * 16 + b for y in range(3) for b in range(48)])
    nest, = group(cover(offsets, 16))
    assert (nest.count0, nest.stride0, nest.count1, nest.stride1) == (3, 16, 3, 34 * 16)


def test_a_window_spans_kernel_rows_where_memory_is_close():
    # kernel 10x4 on one channel, rows 11 bytes apart: two kernel rows fit into 16 bytes.
    offsets = np.array([y * 11 + x for y in range(10) for x in range(4)])
    assert len(cover(offsets, 16)) == 5


@pytest.mark.parametrize("seed", range(20))
def test_groups_visit_the_starts_in_order(seed):
    rng = np.random.default_rng(seed)
    starts = []
    for _ in range(rng.integers(1, 4)):
        base, c0, c1 = int(rng.integers(0, 1000)), int(rng.integers(1, 5)), int(rng.integers(1, 5))
        s0, s1 = int(rng.integers(1, 20)), int(rng.integers(20, 90))
        starts += [base + i * s1 + j * s0 for i in range(c1) for j in range(c0)]
    visited = [g.offset + i * g.stride1 + j * g.stride0 for g in group(starts)
               for i in range(g.count1) for j in range(g.count0)]
    assert visited == starts
