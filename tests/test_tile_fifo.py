"""The weight FIFO: order, its places, and its three latencies."""

import random

import pytest
from benches import run_benches
from systolith.rtl.tile_fifo import TileFifo

WIDTH = 8


def run(depth, writing, taking, cycles=600):
    """Offers rows while there is a place and takes them, as often as is said; returns the cycles of each row's write,
    transfer and place that is free again.
    """
    rng = random.Random(depth)
    dut = TileFifo(WIDTH, depth)
    written, taken, freed = [], [], []

    async def testbench(ctx):
        for cycle in range(cycles):
            write = len(written) - len(freed) < depth and rng.random() < writing
            ctx.set(dut.write, write)
            ctx.set(dut.data, len(written) % 251 if write else 255)
            take = rng.random() < taking
            ctx.set(dut.rows.ready, take)
            if cycle - dut.LATENCY in taken:
                assert ctx.get(dut.rows.payload) == taken.index(cycle - dut.LATENCY) % 251
            if write:
                written.append(cycle)
            if take and ctx.get(dut.rows.valid):
                taken.append(cycle)
            if ctx.get(dut.freed):
                freed.append(cycle)
            await ctx.tick()

    run_benches(dut, testbench)
    return written, taken, freed


@pytest.mark.parametrize("depth", [1, 2, 3, 16, 48])
@pytest.mark.parametrize("writing, taking", [(1, 1), (1, 0.3), (0.3, 1), (0.6, 0.6)])
def test_rows_come_in_order_and_in_time(depth, writing, taking):
    written, taken, freed = run(depth, writing, taking)
    assert len(taken) > 60
    assert freed == [cycle + TileFifo.FREED for cycle in taken][:len(freed)]
    assert all(take >= write + TileFifo.ARRIVAL for write, take in zip(written, taken))
    if taking == 1:
        assert taken == [cycle + TileFifo.ARRIVAL for cycle in written][:len(taken)]


def test_a_row_a_cycle():
    _, taken, _ = run(depth=16, writing=1, taking=1)
    assert taken == list(range(TileFifo.ARRIVAL, 600))


def test_fills_all_places():
    written, taken, _ = run(depth=5, writing=1, taking=0, cycles=50)
    assert len(written) == 5 and not taken
