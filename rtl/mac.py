"""The cell of the systolic array: one weight, one multiply-accumulate a cycle.

Source of the idea: US 9,805,304 and US 10,049,322 (TPU v1): activation register, weight register, a separate
weight-path register and a sum register in each cell; control travels with the wavefront.
"""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .stamp import place

__all__ = ["EastboundLayout", "MacCell", "PortableMultiplier", "multiplier", "sum_width"]


def sum_width(products):
    """Bits of a signed sum of so many int8 products, at least one; the largest is (-128 * -128) each time."""
    return 15 + products.bit_length()


class PortableMultiplier(Component):
    """int8 product in one register, for any technology.

    Members
    -------
    activation, weight : In(signed(8))
    product : Out(signed(16))

    Latency
    -------
    `LATENCY` cycles from the factors to their product.
    """

    LATENCY = 1

    activation: In(signed(8))
    weight: In(signed(8))
    product: Out(signed(16))

    def elaborate(self, platform):
        m = Module()
        product = Signal(signed(16), reset_less=True)
        m.d.sync += product.eq(self.activation * self.weight)
        m.d.comb += self.product.eq(product)
        return m


def multiplier(kind):
    """Class of the multiplier for a `Config.multiplier`; all have `PortableMultiplier`'s ports, each its `LATENCY`."""
    return {"portable": PortableMultiplier}[kind]


class EastboundLayout(data.StructLayout):
    """What passes through a cell from west to east.

    Members
    -------
    activation : signed(8)
    switch : comes with an activation; the shadow weight becomes active for it and all later ones
    shift : the shadow register takes the weight from the north, after `switch` of the same cycle has read it
    """
    def __init__(self):
        super().__init__({"activation": signed(8), "switch": unsigned(1), "shift": unsigned(1)})


class MacCell(Component):
    """One weight-stationary cell: adds activation times weight to the partial sum that passes southward.

    All registers are reset-less, as stamping demands: what was in flight at a reset runs out of the array, in front
    of whatever enters later.

    Parameters
    ----------
    kind : str
        `Config.multiplier`.
    width_in, width_out : int
        Bits of the partial sum from the north and to the south.

    Members
    -------
    west : In(EastboundLayout()), east : Out(EastboundLayout())
    weight : In(signed(8)), from the north; weight_out : Out(signed(8)), the shadow register, to the south
    sum : In(signed(width_in)), from the north; sum_out : Out(signed(width_out)), to the south

    Latency
    -------
    1 cycle from `west` to `east`. `latency(kind)` cycles from an activation to `sum_out`; `sum` comes in
    the last of them.
    """

    @staticmethod
    def latency(kind):
        """Cycles from an activation at the west to the sum with its product at the south."""
        return 2 + multiplier(kind).LATENCY

    def __init__(self, kind, width_in, width_out):
        self.kind = kind
        self.width_in = width_in
        self.width_out = width_out
        super().__init__({
            "west": In(EastboundLayout()), "east": Out(EastboundLayout()),
            "weight": In(signed(8)), "weight_out": Out(signed(8)),
            "sum": In(signed(width_in)), "sum_out": Out(signed(width_out)),
        })

    @property
    def stamp_key(self):
        """What makes two cells equal."""
        return self.kind, self.width_in, self.width_out

    def elaborate(self, platform):
        m = Module()
        east = Signal(EastboundLayout(), reset_less=True)
        shadow = Signal(signed(8), reset_less=True)
        weight = Signal(signed(8), reset_less=True)
        total = Signal(signed(self.width_out), reset_less=True)

        factors = place(m, "multiplier", multiplier(self.kind)(), platform)
        m.d.sync += [east.eq(self.west), total.eq(self.sum + factors.product)]
        with m.If(self.west.switch):
            m.d.sync += weight.eq(shadow)
        with m.If(self.west.shift):
            m.d.sync += shadow.eq(self.weight)

        m.d.comb += [
            factors.activation.eq(east.activation),
            factors.weight.eq(weight),
            self.east.eq(east),
            self.weight_out.eq(shadow),
            self.sum_out.eq(total),
        ]
        return m
