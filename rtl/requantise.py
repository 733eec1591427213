"""From 32-bit sums to int8: TFLite's multiply by a quantised multiplier; the lane with bias, zero point and clamp."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed

__all__ = ["RequantiseLane", "Rescale"]

#: Width of the pieces into which both factors are cut: the products fit the 18 x 18 bit multipliers of common FPGAs.
PIECE = 16


class Rescale(wiring.Component):
    """`requantise()` of `docs/architecture.md`: `value * multiplier * 2**(shift - 31)`, rounded twice.

    Parameters
    ----------
    value_bits : int
        Width of the value, at most 32.

    Members
    -------
    value : In(signed(value_bits))
    multiplier : In(31)
    shift : In(signed(7)), -31 to 30; positive is to the left, in 32 bits, wrapping
    result : Out(signed(32))

    Latency
    -------
    LATENCY cycles from the inputs, which belong to each other, to `result`; one a cycle.

    Source
    ------
    MultiplyByQuantizedMultiplier of TFLite's reference kernels (double rounding).
    """

    LATENCY = 8

    def __init__(self, value_bits=32):
        self._value_bits = value_bits
        super().__init__({"value": In(signed(value_bits)), "multiplier": In(unsigned(31)), "shift": In(signed(7)),
                          "result": Out(signed(32))})

    @property
    def value_bits(self):
        """Width of the value."""
        return self._value_bits

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return ("Rescale", self._value_bits)

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

        # Cycles 3 to 5: four partial products, then their sum rounded to bit 31. The half is added early, where its
        # place is above the lowest piece.
        low, high = factor[:PIECE], factor[PIECE:].as_signed()
        multiplier_low, multiplier_high = multiplier[:PIECE], multiplier[PIECE:]
        low_low = register("low_low", 2 * PIECE, low * multiplier_low)
        low_high = register("low_high", 2 * PIECE - 1, low * multiplier_high)
        high_low = register("high_low", signed(2 * PIECE), high * multiplier_low)
        high_high = register("high_high", signed(2 * PIECE - 1), high * multiplier_high)
        outer = register("outer", signed(3 * PIECE), Cat(low_low[PIECE:], high_high).as_signed() + (1 << (30 - PIECE)))
        middle = register("middle", signed(2 * PIECE + 1), low_high + high_low)
        product = register("product", signed(32), (outer + middle) >> (31 - PIECE))

        # Cycle 6: add what makes a shift to the right round halves away from zero, that is half of its last place, less
        # one if the product is negative: `below` is the half less one, and a carry into the sum gives the one back.
        right = delayed(m, register("right", 5, Mux(to_right, -self.shift, 0)), 3)
        below = register("below", 30, Cat(right > i + 1 for i in range(30)))
        rounds = register("rounds", 1, right != 0)
        nudged = register("nudged", signed(33),
                          (Cat(Const(1, 1), product).as_signed() + Cat(rounds & ~product[-1], below)) >> 1)

        # Cycles 7, 8: shift right, by eights and by ones.
        coarse = register("coarse_right", signed(33), nudged >> (delayed(m, right, 2) & 0b11000))
        m.d.comb += self.result.eq(register("shifted", signed(32), coarse >> delayed(m, right[:3], 3)))
        return m


class RequantiseLane(wiring.Component):
    """From an accumulator to its int8: `clamp(requantise(accumulator + bias, multiplier, shift) + zero_point)`.

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

    LATENCY = 1 + Rescale.LATENCY + 4

    def __init__(self):
        super().__init__({"accumulator": In(signed(32)), "bias": In(signed(32)), "multiplier": In(unsigned(31)),
                          "shift": In(signed(7)), "zero_point": In(signed(8)), "minimum": In(signed(8)),
                          "maximum": In(signed(8)), "result": Out(signed(8))})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return ("RequantiseLane",)

    def elaborate(self, platform):
        m = Module()
        m.submodules.rescale = rescale = Rescale()

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
        sign = rescale.result[-1]
        fits = rescale.result[8:] == sign.replicate(32 - 8)
        minimum = delayed(m, self.minimum, rescaled + 2)
        maximum = delayed(m, self.maximum, rescaled + 3)
        m.d.sync += [
            narrow.eq(Mux(fits, rescale.result[:9], Cat((~sign).replicate(8), sign))),
            shifted.eq(narrow + delayed(m, self.zero_point, rescaled + 1)),
            raised.eq(Mux(shifted < minimum, minimum, shifted)),
            lowered.eq(Mux(raised > maximum, maximum, raised)),
        ]
        m.d.comb += self.result.eq(lowered)
        return m
