"""One cell, cycle by cycle, against its definition; products exhaustively."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.mac import MacCell, sum_width
from systolith.rtl.terms import WinogradTerm


def term(kind, a, w):
    """What a cell adds for two activations and weights."""
    products = a[0] * w[0] + a[1] * w[1]
    return products + a[0] * a[1] + w[0] * w[1] if kind.startswith("winograd") else products


def pack(values):
    return int.from_bytes(np.array(values, np.int8).tobytes(), "little")


def test_sum_width_holds_extremes_and_no_more():
    for n in (1, 2, 3, 4, 7, 8, 255, 256, 1024):
        limit = 1 << (sum_width(n) - 1)
        assert n * 128 * 128 <= limit - 1 and n * -128 * 127 >= -limit
        assert n * 128 * 128 > (limit >> 1) - 1


@pytest.mark.parametrize("rows, path", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("kind, latency", [("portable", 3), ("dsp", 5), ("winograd", 7), ("winograd-adders", 7)])
def test_cell(kind, latency, rows, path):
    rng = np.random.default_rng(1)
    cycles = 400
    corners = [-128, -1, 0, 1, 127, *rng.integers(-128, 128, 20)]
    activations = rng.choice(corners, (cycles, 2))
    activations[:, rows:] = 0
    weight = rng.choice(corners, (cycles, path))
    switch, shift = rng.random((2, cycles)) < 0.3
    total = rng.integers(-(1 << 17), 1 << 17, cycles)

    assert MacCell.latency(kind) == latency
    dut = MacCell(kind, rows, 19, path)
    shadow, active = [0] * rows, [0, 0]
    expected, shadows = [], []
    for t in range(cycles):
        if switch[t]:
            active[:rows] = shadow
        if shift[t]:
            shadow = [*weight[t].tolist(), *shadow][:rows]
        expected.append(term(kind, activations[t].tolist(), active))
        shadows.append(shadow[-path:])

    async def bench(ctx):
        for t in range(cycles):
            west = {"activations": activations[t].tolist(), "switch": int(switch[t]), "shift": int(shift[t])}
            ctx.set(dut.west, west)
            ctx.set(dut.weight, pack(weight[t]))
            ctx.set(dut.sum, int(total[t]))
            await ctx.tick()
            east = ctx.get(dut.east)
            assert [east.activations[0], east.activations[1]] == west["activations"]
            assert (east.switch, east.shift) == (switch[t], shift[t])
            assert ctx.get(dut.weight_out) == pack(shadows[t])
            if t >= latency - 1:
                assert ctx.get(dut.sum_out) == expected[t - latency + 1] + total[t]

    run_benches(dut, bench)


def test_winograd_sums_for_all_pairs_of_operands():
    # Each of the two 9-bit sums sees all pairs of operands; test_multiplier does the same for their product.
    values = np.arange(-128, 128)
    activation, weight = (v.ravel() for v in np.meshgrid(values, values))
    other = values[(activation + 128 + 77) % 256]
    expected = ((activation + weight) * (other + weight)).tolist()
    activations, weights = np.stack([activation, other], 1).tolist(), np.stack([weight, weight], 1).tolist()
    dut = WinogradTerm()

    async def bench(ctx):
        ctx.set(dut.switch, 1)
        for t in range(len(expected)):
            ctx.set(dut.activations, activations[t])
            ctx.set(dut.weights, weights[t])
            await ctx.tick()
            if t >= WinogradTerm.LATENCY - 1:
                assert ctx.get(dut.term) == expected[t - WinogradTerm.LATENCY + 1]

    run_benches(dut, bench)
