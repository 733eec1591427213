"""The cell of the systolic array: two weights of one column, two multiply-accumulates a cycle.

Two rows a cell are what can share hardware: one multiplier (Winograd's inner product) or one DSP block (iCE40). It
also halves the registers that carry the skew.

Source of the idea: US 9,805,304 and US 10,049,322 (TPU v1): activation register, weight register, a separate
weight-path register and a sum register in each cell; control travels with the wavefront.
"""

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .stamp import place
from .terms import PAIR, term

__all__ = ["EastboundLayout", "MacCell", "sum_width"]


def sum_width(products):
    """Bits of a signed sum of so many int8 products, at least one; the largest is (-128 * -128) each time."""
    return 15 + products.bit_length()


class EastboundLayout(data.StructLayout):
    """What passes through a cell from west to east.

    Members
    -------
    activations : of its two rows
    switch : comes with activations; the shadow weights become active for them and all later ones
    shift : the shadow registers take the weights from the north, after `switch` of the same cycle has read them
    """
    def __init__(self):
        super().__init__({"activations": PAIR, "switch": unsigned(1), "shift": unsigned(1)})


class MacCell(Component):
    """Two weight-stationary rows: adds their activations times weights to the partial sum that passes southward.

    All registers are reset-less, as stamping demands: what was in flight at a reset runs out of the array, in front
    of whatever enters later.

    Parameters
    ----------
    kind : str
        Of `systolith.rtl.terms.term`.
    rows : int
        2, or 1: then the second activation must be 0.
    width : int
        Bits of the partial sum, which wraps.
    path : int
        Weights that shift at once: 1, or 2 in a cell of two rows.

    Members
    -------
    west : In(EastboundLayout()), east : Out(EastboundLayout())
    weight : In(8 * path), from the north; weight_out : Out(8 * path), the last shadow registers, to the south
        The upper row's in the low byte.
    sum : In(signed(width)), from the north; sum_out : Out(signed(width)), to the south

    Latency
    -------
    1 cycle from `west` to `east`. `latency(kind)` cycles from activations to `sum_out`; `sum` comes in
    the last of them.
    """

    @staticmethod
    def latency(kind):
        """Cycles from activations at the west to the sum with their products at the south."""
        return term(kind).LATENCY + 1

    def __init__(self, kind, rows, width, path=1):
        self.kind = kind
        self.rows = rows
        self.width = width
        self.path = path
        super().__init__({
            "west": In(EastboundLayout()), "east": Out(EastboundLayout()),
            "weight": In(8 * path), "weight_out": Out(8 * path),
            "sum": In(signed(width)), "sum_out": Out(signed(width)),
        })

    @property
    def stamp_key(self):
        """What makes two cells equal."""
        return self.kind, self.rows, self.width, self.path

    def elaborate(self, platform):
        m = Module()
        east = Signal(EastboundLayout(), reset_less=True)
        total = Signal(signed(self.width), reset_less=True)
        products = place(m, "products", term(self.kind)(), platform)
        m.d.sync += [east.eq(self.west), total.eq(self.sum + products.term)]

        # What comes from the north, row by row, and behind it the registers themselves.
        weights = [self.weight.word_select(row, 8) for row in range(self.path)]
        for row in range(self.rows):
            shadow = Signal(signed(8), name=f"shadow{row}", reset_less=True)
            with m.If(self.west.shift):
                m.d.sync += shadow.eq(weights[row])
            m.d.comb += products.weights[row].eq(shadow)
            weights.append(shadow)

        m.d.comb += [
            products.activations.eq(self.west.activations),
            products.switch.eq(self.west.switch),
            self.east.eq(east),
            self.weight_out.eq(Cat(weights[-self.path:])),
            self.sum_out.eq(total),
        ]
        return m
