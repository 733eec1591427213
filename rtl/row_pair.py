"""Two rows of a product added: the first level of a multiplier that is made of adders."""

from amaranth.hdl import Module, Mux, Shape
from amaranth.lib.wiring import Component, In, Out

__all__ = ["RowPair"]


class RowPair(Component):
    """`a * b[0] + 2 * a * b[1]`, combinational.

    Parameters
    ----------
    a : Shape
    negative : bool
        b[1] is a sign bit: its row is subtracted.

    Members
    -------
    a : In(a), b : In(2)
    sum : Out(signed if `a` or `negative`, two bits wider than a)

    Platform overrides
    ------------------
    ``get_row_pair(pair)`` of a platform returns what stands for this component, an elaboratable that drives its
    ports, or None for the portable form.
    """

    def __init__(self, a, *, negative):
        self.shape = Shape.cast(a)
        self.negative = negative
        super().__init__({"a": In(self.shape), "b": In(2),
                          "sum": Out(Shape(self.shape.width + 2, signed=self.shape.signed or negative))})

    def elaborate(self, platform):
        if hasattr(platform, "get_row_pair") and (cell := platform.get_row_pair(self)) is not None:
            return cell
        m = Module()
        low, high = (Mux(bit, self.a, 0) for bit in self.b)
        m.d.comb += self.sum.eq(low - (high << 1) if self.negative else low + (high << 1))
        return m
