"""The multiplier as FPGAs have it, with registers inside: the place where a platform puts its own cell."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Multiplier"]


class Multiplier(Component):
    """Signed products behind input, pipeline and output registers.

    Parameters
    ----------
    width : int
        Bits of a factor, at most `WIDEST`.
    products : int
        How many; more than one where cells share a block, and with it `load`.
    held : bool
        The factors b stay until `load`; otherwise they come every cycle, and `load` is not used.

    Members
    -------
    a, b : In(ArrayLayout(signed(width), products))
    load : In(1)
        b is taken.
    product : Out(ArrayLayout(signed(2 * width), products))

    Latency
    -------
    `LATENCY` cycles from factors to product. A b that is loaded counts for the a of the same cycle and all later ones.

    Errors
    ------
    ValueError
        For wider factors.

    Platform overrides
    ------------------
    ``get_multiplier(multiplier)`` of a platform returns what stands for this component, an elaboratable that drives
    its ports with the same latency, or None for the portable form.
    """

    LATENCY = 3
    #: Bits of a factor that every family of FPGAs with large blocks has.
    WIDEST = 18

    def __init__(self, width, products=1, *, held=False):
        if width > self.WIDEST:
            raise ValueError(f"a factor of {width} bits: a multiplier has {self.WIDEST} at most")
        self.width = width
        self.products = products
        self.held = held
        factors = data.ArrayLayout(signed(width), products)
        super().__init__({"a": In(factors), "b": In(factors), "load": In(1),
                          "product": Out(data.ArrayLayout(signed(2 * width), products))})

    @property
    def stamp_key(self):
        """What makes two multipliers equal."""
        return self.width, self.products, self.held

    def elaborate(self, platform):
        if hasattr(platform, "get_multiplier") and (cell := platform.get_multiplier(self)) is not None:
            return cell
        m = Module()
        a, b = (Signal.like(factors, name=f"{name}_register", reset_less=True)
                for name, factors in (("a", self.a), ("b", self.b)))
        pipeline, output = (Signal.like(self.product, name=name, reset_less=True) for name in ("pipeline", "output"))
        m.d.sync += [a.eq(self.a), output.eq(pipeline)]
        m.d.sync += [pipeline[n].eq(a[n] * b[n]) for n in range(self.products)]
        with m.If(self.load if self.held else 1):
            m.d.sync += b.eq(self.b)
        m.d.comb += self.product.eq(output)
        return m
