"""One lane of the vector unit's front: multiplies the taps and reduces the vectors of a step to one value."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .isa import Function
from .product import Product

__all__ = ["TapLane"]


class TapLane(wiring.Component):
    """Reduces the reads of a step: sum of weighted taps, plain sum, maximum, or the two operands side by side.

    Every function takes its bytes through the multipliers; all but DEPTHWISE with weight 1 for the newest tap and 0
    for the others. So there is one path, and the adders see the byte itself.

    Parameters
    ----------
    taps : int
    dsp : bool
        Whether the multipliers are DSPs, see `Product`.

    Members
    -------
    window, weights : In(8 * taps), int8 each, tap 0 in the low byte
    weighted : In(1), use the weights
    en, first : In(1), function : In(3)
        Control of the window of `control_delay(taps)` cycles before: it counts; it is the first of its step.
    value : Out(32)
        Element-wise functions: first operand in byte 0, last operand in byte 1 and those behind it. All others: int32.

    Latency
    -------
    `value` holds what a window contributed `reduce_delay(taps)` + 1 cycles after it.
    """

    def __init__(self, taps, dsp):
        self._taps = taps
        self._dsp = dsp
        super().__init__({"window": In(8 * taps), "weights": In(8 * taps), "weighted": In(1),
                          "en": In(1), "first": In(1), "function": In(3), "value": Out(32)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._taps, self._dsp

    @staticmethod
    def reduce_delay(taps):
        """Cycles from a window to its reduction: products, then the levels of the adders."""
        return Product.latency(8) + (taps - 1).bit_length()

    @staticmethod
    def control_delay(taps):
        """Cycles from a window to its control."""
        return TapLane.reduce_delay(taps) - 1

    def elaborate(self, platform):
        m = Module()
        terms = []
        for k in range(self._taps):
            m.submodules[f"product_{k}"] = product = Product(signed(8), signed(8), dsp=self._dsp)
            plain = 1 if k == self._taps - 1 else 0
            m.d.comb += [
                product.a.eq(self.window.word_select(k, 8)),
                product.b.eq(Mux(self.weighted, self.weights.word_select(k, 8), plain)),
            ]
            terms.append(product.product)

        while len(terms) > 1:
            pairs = [terms[i:i + 2] for i in range(0, len(terms), 2)]
            terms = []
            for i, pair in enumerate(pairs):
                total = Signal(signed(max(len(t) for t in pair) + 1), name=f"sum_{len(pairs)}_{i}", reset_less=True)
                m.d.sync += total.eq(sum(pair[1:], pair[0]))
                terms.append(total)
        term, = terms

        # What happens to all bits of all lanes is found out a cycle ahead.
        starts, adds, compares, pairs = (
            Signal(name=name, reset_less=True) for name in ("starts", "adds", "compares", "pairs"))
        follows = self.en & ~self.first
        m.d.sync += [starts.eq(self.en & self.first), adds.eq(0), compares.eq(0), pairs.eq(0)]
        with m.Switch(self.function):
            with m.Case(Function.DEPTHWISE, Function.SUM, Function.AVERAGE):
                m.d.sync += adds.eq(follows)
            with m.Case(Function.MAXIMUM):
                m.d.sync += compares.eq(follows)
            with m.Default():
                m.d.sync += pairs.eq(follows)

        value = Signal(signed(32), reset_less=True)
        # The sign of a difference, where a comparison would end in more gates.
        difference = Signal(signed(9))
        m.d.comb += difference.eq(value[:8].as_signed() - term[:8].as_signed())
        with m.If(starts | (compares & difference[-1])):
            m.d.sync += value.eq(term)
        with m.If(adds):
            m.d.sync += value.eq(value + term)
        # With its sign, which the other functions have there, too.
        with m.If(pairs):
            m.d.sync += value[8:].eq(term[:8].as_signed())
        m.d.comb += self.value.eq(value)
        return m
