"""Division by a power of two."""

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed

__all__ = ["RoundingShift"]


class RoundingShift(wiring.Component):
    """`value / 2**right`, rounded to the nearest, halves away from zero.

    Members
    -------
    value : In(signed(32))
    right : In(5)
    result : Out(signed(32))

    Latency
    -------
    LATENCY cycles from the inputs, which belong to each other, to `result`; one a cycle.

    Source
    ------
    RoundingDivideByPOT of gemmlowp.
    """

    LATENCY = 4

    def __init__(self):
        super().__init__({"value": In(signed(32)), "right": In(5), "result": Out(signed(32))})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return ()

    def elaborate(self, platform):
        m = Module()

        def register(name, shape, value):
            target = Signal(shape, name=name, reset_less=True)
            m.d.sync += target.eq(value)
            return target

        # Cycle 1: what makes a shift round so, that is half of its last place, less one if the value is negative:
        # `below` is the half less one, and a carry into the sum gives the one back. Cycle 2: the sum.
        right = delayed(m, self.right, 2)
        # Bit i is `right >= i + 2`, by eights and by ones.
        by_eights = [self.right[3:] > i for i in range(4)]
        by_ones = [Const(1, 1), *(self.right[:3] >= i for i in range(1, 8))]
        below = register("below", 30, Cat(
            by_eights[i // 8] | ((self.right[3:] == i // 8) & by_ones[i % 8]) for i in range(2, 32)))
        carry = register("carry", 1, (self.right != 0) & ~self.value[-1])
        value = delayed(m, self.value, 1)
        nudged = register("nudged", signed(33), (Cat(Const(1, 1), value).as_signed() + Cat(carry, below)) >> 1)

        # Cycles 3, 4: shift, by eights and by ones.
        coarse = register("coarse", signed(33), nudged >> (right & 0b11000))
        m.d.comb += self.result.eq(register("shifted", signed(32), coarse >> delayed(m, right[:3], 1)))
        return m
