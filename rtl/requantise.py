"""From 32-bit sums to int8: TFLite's multiply by a quantised multiplier; the lane with bias, zero point and clamp."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import DelayMemory, delayed
from .product import Product
from .rounding_shift import RoundingShift
from .stamp import place

__all__ = ["RequantiseLane", "Rescale"]

#: Width of the pieces into which both factors are cut: products of their sums fit the 18 x 18 bit multipliers of
#: common FPGAs.
PIECE = 16


class Rescale(wiring.Component):
    """`requantise()` of `docs/architecture.md`: `value * multiplier * 2**(shift - 31)`, rounded twice.

    Parameters
    ----------
    dsps : int
        How many of the three products are DSPs, see `Product`.

    Members
    -------
    value : In(signed(32))
    multiplier : In(31)
    shift : In(signed(7)), -31 to 30; positive is to the left, in 32 bits, wrapping
    result : Out(signed(32))

    Latency
    -------
    LATENCY cycles from the inputs, which belong to each other, to `result`; one a cycle.

    Source
    ------
    MultiplyByQuantizedMultiplier of TFLite's reference kernels (double rounding); Karatsuba's multiplication.
    """

    _PRODUCTS = Product.latency(PIECE + 1)
    LATENCY = 3 + _PRODUCTS + 3 + RoundingShift.LATENCY

    def __init__(self, dsps):
        self._dsps = dsps
        super().__init__({"value": In(signed(32)), "multiplier": In(unsigned(31)), "shift": In(signed(7)),
                          "result": Out(signed(32))})

    @property
    def dsps(self):
        """How many of the three products are DSPs."""
        return self._dsps

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._dsps

    def elaborate(self, platform):
        m = Module()

        def register(name, shape, value):
            target = Signal(shape, name=name, reset_less=True)
            m.d.sync += target.eq(value)
            return target

        # Cycles 1, 2: shift left, first by eights, then by ones.
        to_right = self.shift[-1]
        left = Signal(5)
        m.d.comb += left.eq(Mux(to_right, 0, self.shift))
        coarse = register("coarse_left", signed(32), self.value << (left & 0b11000))
        factor = register("factor", signed(32), coarse << delayed(m, left[:3], 1))
        multiplier = delayed(m, self.multiplier, 2)

        # Cycle 3: the sum of each factor's pieces, for three products instead of four.
        low, high = factor[:PIECE], factor[PIECE:].as_signed()
        multiplier_low, multiplier_high = multiplier[:PIECE], multiplier[PIECE:]
        factors = {
            "both": (register("pieces", signed(PIECE + 2), low + high),
                     register("multiplier_pieces", PIECE + 1, multiplier_low + multiplier_high)),
            "low": (delayed(m, low, 1), delayed(m, multiplier_low, 1)),
            "high": (delayed(m, high, 1), delayed(m, multiplier_high, 1)),
        }
        products = {}
        for i, (name, (a, b)) in enumerate(factors.items()):
            m.submodules[name] = product = Product(a.shape(), b.shape(), dsp=i < self._dsps)
            m.d.comb += [product.a.eq(a), product.b.eq(b)]
            products[name] = delayed(m, product.product, self._PRODUCTS - Product.latency(b.shape()))

        # Then the product, rounded to bit 31. The half is added early, where its place is above the lowest piece.
        outer = register("outer", signed(3 * PIECE),
                         Cat(products["low"][PIECE:], products["high"]).as_signed() + (1 << (30 - PIECE)))
        sides = register("sides", signed(2 * PIECE + 1), products["low"] + products["high"])
        middle = register("middle", signed(2 * PIECE + 1), delayed(m, products["both"], 1) - sides)
        m.submodules.rounding = rounding = RoundingShift()
        right = register("right", 5, Mux(to_right, -self.shift, 0))
        m.d.comb += [
            rounding.value.eq(register("product", signed(32), (delayed(m, outer, 1) + middle) >> (31 - PIECE))),
            rounding.right.eq(delayed(m, right, self.LATENCY - RoundingShift.LATENCY - 1)),
            self.result.eq(rounding.result),
        ]
        return m


class RequantiseLane(wiring.Component):
    """From an accumulator to its int8: `clamp(requantise(accumulator + bias, multiplier, shift) + zero_point)`.

    Parameters
    ----------
    dsps : int
        As of `Rescale`.

    Members
    -------
    accumulator, bias : In(signed(32))
        Their sum wraps.
    multiplier : In(31)
    shift : In(signed(7)), -31 to 30
    zero_point, minimum, maximum : In(signed(8))
    result : Out(signed(8))

    Latency
    -------
    LATENCY cycles from the inputs, which belong to each other, to `result`; one a cycle.
    """

    LATENCY = 1 + Rescale.LATENCY + 5

    def __init__(self, dsps):
        self._dsps = dsps
        super().__init__({"accumulator": In(signed(32)), "bias": In(signed(32)), "multiplier": In(unsigned(31)),
                          "shift": In(signed(7)), "zero_point": In(signed(8)), "minimum": In(signed(8)),
                          "maximum": In(signed(8)), "result": Out(signed(8))})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._dsps

    def elaborate(self, platform):
        m = Module()
        m.submodules.rescale = rescale = Rescale(self._dsps)

        biased = Signal(signed(32), reset_less=True)
        m.d.sync += biased.eq(self.accumulator + self.bias)
        m.d.comb += [rescale.value.eq(biased), rescale.multiplier.eq(delayed(m, self.multiplier, 1)),
                     rescale.shift.eq(delayed(m, self.shift, 1))]

        # Nine bits are enough to end in the same clamp, whatever the zero point.
        rescaled = 1 + Rescale.LATENCY
        narrow = Signal(signed(9), reset_less=True)
        shifted = Signal(signed(10), reset_less=True)
        raised = Signal(signed(10), reset_less=True)
        lowered = Signal(signed(8), reset_less=True)
        # A cycle to find out whether those are enough.
        fits = delayed(m, rescale.result[8:] == rescale.result[-1].replicate(32 - 8), 1)
        low, sign = delayed(m, rescale.result[:9], 1), delayed(m, rescale.result[-1], 1)
        line = place(m, "clamp_line", DelayMemory(24, rescaled + 2), platform)
        m.d.comb += line.d.eq(Cat(self.zero_point, self.minimum, self.maximum))
        zero_point, minimum, maximum = (line.q.word_select(i, 8).as_signed() for i in range(3))
        minimum, maximum = delayed(m, minimum, 1), delayed(m, maximum, 2)
        m.d.sync += [
            narrow.eq(Mux(fits, low, Cat((~sign).replicate(8), sign))),
            shifted.eq(narrow + zero_point),
            raised.eq(Mux(shifted < minimum, minimum, shifted)),
            lowered.eq(Mux(raised > maximum, maximum, raised)),
        ]
        m.d.comb += self.result.eq(lowered)
        return m
