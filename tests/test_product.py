# amaranth: UnusedElaboratable=no
"""Products by DSPs and by adders."""

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from benches import run_benches
from systolith.rtl.multiplier import Multiplier
from systolith.rtl.product import Product


def corners(shape, rng, count):
    """Every value of a narrow shape; of a wide one the extremes, powers of two and others of all magnitudes."""
    low, high = (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, (1 << shape.width) - 1)
    if shape.width <= 6:
        return list(range(low, high + 1))
    chosen = [low, low + 1, 0, 1, high - 1, high, *(1 << k for k in range(shape.width - 1))]
    return [*chosen, *(rng.integers(low, high, count, endpoint=True) >> rng.integers(0, shape.width, count)).tolist()]


@pytest.mark.parametrize("dsp", [True, False])
@pytest.mark.parametrize("a, b", [
    (unsigned(6), unsigned(6)), (signed(6), signed(5)), (unsigned(5), signed(6)), (signed(4), unsigned(3)),
    (signed(3), signed(3)), (signed(2), signed(4)), (signed(8), signed(8)), (unsigned(31), signed(9)),
    (signed(18), unsigned(17)), (signed(16), unsigned(15)), (signed(32), signed(18)),
    (unsigned(19), unsigned(5))], ids=repr)
def test_is_the_product_after_its_latency(a, b, dsp):
    dut, latency = Product(a, b, dsp=dsp), Product.latency(b)
    rng = np.random.default_rng(a.width)
    pairs = [(x, y) for x in corners(a, rng, 20) for y in corners(b, rng, 20)]
    products = []

    async def bench(ctx):
        for cycle in range(len(pairs) + latency):
            x, y = pairs[cycle % len(pairs)]
            ctx.set(dut.a, x)
            ctx.set(dut.b, y)
            if cycle >= latency:
                products.append(ctx.get(dut.product))
            await ctx.tick()

    run_benches(dut, bench)
    assert products == [x * y for x, y in pairs]


@pytest.mark.parametrize("a, b", [(signed(36), signed(9)), (unsigned(8), unsigned(18)), (unsigned(31), signed(4))])
def test_what_two_blocks_cannot_do_is_refused(a, b):
    with pytest.raises(ValueError, match="not made of one or two blocks"):
        Product(a, b, dsp=True)
    assert Product(a, b, dsp=False)


def test_a_multiplier_has_factors_of_18_bits():
    with pytest.raises(ValueError, match="a factor of 19 bits"):
        Multiplier(19)
