"""The kinds of `Config.multiplier`: what a cell adds to the partial sum for its two activations and weights."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out, Signature

from .delay import delayed
from .multiplier import Multiplier
from .product import Product
from .stamp import place

__all__ = ["PAIR", "DspTerm", "PortableTerm", "TermSignature", "WinogradAddersTerm", "WinogradTerm", "term"]

#: Activations, or weights, of the two rows of a cell; the northern one first.
PAIR = data.ArrayLayout(signed(8), 2)


class TermSignature(Signature):
    """Ports of every kind.

    Members
    -------
    activations : In(PAIR)
    weights : In(PAIR)
    switch : In(1)
        The weights are taken, for the activations of this cycle and all later ones.
    term : Out(signed(width))
        `LATENCY` cycles after the activations.
    """
    def __init__(self, width):
        super().__init__({"activations": In(PAIR), "weights": In(PAIR), "switch": In(unsigned(1)),
                          "term": Out(signed(width))})


class PortableTerm(Component):
    """a0*w0 + a1*w1 for any technology, in as few registers as a simulation wants.

    Members
    -------
    As `TermSignature`.

    Latency
    -------
    `LATENCY` cycles.
    """

    LATENCY = 2

    def __init__(self):
        super().__init__(TermSignature(17))

    def elaborate(self, platform):
        m = Module()
        activations, weights = (Signal(PAIR, name=name, reset_less=True) for name in ("activation", "weight"))
        term = Signal.like(self.term, name="sum", reset_less=True)
        m.d.sync += [activations.eq(self.activations),
                     term.eq(activations[0] * weights[0] + activations[1] * weights[1])]
        with m.If(self.switch):
            m.d.sync += weights.eq(self.weights)
        m.d.comb += self.term.eq(term)
        return m


class DspTerm(Component):
    """a0*w0 + a1*w1 by multiplier blocks, of which the input registers hold the active weights.

    Members
    -------
    As `TermSignature`.

    Latency
    -------
    `LATENCY` cycles.
    """

    LATENCY = Multiplier.LATENCY + 1

    def __init__(self):
        super().__init__(TermSignature(17))

    def elaborate(self, platform):
        m = Module()
        multiplier = place(m, "multiplier", Multiplier(8, 2, held=True), platform)
        term = Signal.like(self.term, name="sum", reset_less=True)
        m.d.comb += [multiplier.a.eq(self.activations), multiplier.b.eq(self.weights), multiplier.load.eq(self.switch),
                     self.term.eq(term)]
        m.d.sync += term.eq(multiplier.product[0] + multiplier.product[1])
        return m


class WinogradTerm(Component):
    """(a0 + w1) * (a1 + w0), two multiply-accumulates by one multiplier: a0*w0 + a1*w1, and a0*a1 + w0*w1 too much.

    `systolith.rtl.winograd` takes away what is too much. A register on either side of the multiplier covers the
    way to and from the columns of DSP blocks.

    Members
    -------
    As `TermSignature`.

    Latency
    -------
    `LATENCY` cycles.

    Source of the idea: S. Winograd, "A New Algorithm for Inner Product", IEEE Trans. Computers C-17 (1968); in a
    systolic array: T. Pogue and N. Nicolici, arXiv 2311.12224.
    """

    LATENCY = 2 + Multiplier.LATENCY + 1

    def __init__(self):
        super().__init__(TermSignature(18))

    def elaborate(self, platform):
        m = Module()
        activations, weights = (Signal(PAIR, name=name, reset_less=True) for name in ("activation", "weight"))
        m.d.sync += activations.eq(self.activations)
        with m.If(self.switch):
            m.d.sync += weights.eq(self.weights)
        left, right = (Signal(signed(9), name=name) for name in ("left", "right"))
        m.d.comb += [left.eq(activations[0] + weights[1]), right.eq(activations[1] + weights[0]),
                     self.term.eq(self._product(m, left, right, platform))]
        return m

    def _product(self, m, left, right, platform):
        """Their product, LATENCY - 1 cycles later."""
        multiplier = place(m, "multiplier", Multiplier(9), platform)
        m.d.comb += [multiplier.a[0].eq(delayed(m, left, 1)), multiplier.b[0].eq(delayed(m, right, 1))]
        return delayed(m, multiplier.product[0], 1)


class WinogradAddersTerm(WinogradTerm):
    """`WinogradTerm` of adders, for the columns for which there are no DSP blocks."""

    def _product(self, m, left, right, platform):
        sums = signed(9)
        multiplier = place(m, "multiplier", Product(sums, sums, dsp=False), platform)
        m.d.comb += [multiplier.a.eq(left), multiplier.b.eq(right)]
        return delayed(m, multiplier.product, self.LATENCY - 1 - Product.latency(sums))


def term(kind):
    """Class of the terms of a `Config.multiplier`, or of "winograd-adders"."""
    return {"portable": PortableTerm, "dsp": DspTerm, "winograd": WinogradTerm,
            "winograd-adders": WinogradAddersTerm}[kind]
