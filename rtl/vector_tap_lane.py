"""One lane of the vector unit's front: multiplies the taps and reduces the vectors of a step to one value."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
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

        # What happens to all bits of all lanes is found out a cycle ahead, also whether the low byte and whether the
        # others move: a gate of these, common to all lanes, would be far from most.
        starts, compares, pairs, low_moves, high_moves = (
            Signal(name=name, reset_less=True) for name in ("starts", "compares", "pairs", "low_moves", "high_moves"))
        is_sum = Cat(self.function == f for f in (Function.DEPTHWISE, Function.SUM, Function.AVERAGE)).any()
        is_maximum = self.function == Function.MAXIMUM
        is_pair = ~is_sum & ~is_maximum
        m.d.sync += [
            starts.eq(self.first | is_maximum), compares.eq(self.en & ~self.first & is_maximum),
            pairs.eq(~self.first & is_pair),
            low_moves.eq(self.en & (self.first | is_sum)), high_moves.eq(self.en & (self.first | is_sum | is_pair)),
        ]

        value = Signal(signed(32), reset_less=True)
        # The sign of a difference, where a comparison would end in more gates.
        difference = Signal(signed(9))
        m.d.comb += difference.eq(value[:8].as_signed() - term[:8].as_signed())
        replaces = compares & difference[-1]
        total = Mux(starts, term, value + term)
        with m.If(low_moves | replaces):
            m.d.sync += value[:8].eq(total[:8])
        with m.If(high_moves | replaces):
            # With its sign, which the other functions have there, too.
            m.d.sync += value[8:].eq(Mux(pairs, term[:8].as_signed(), total[8:32]))
        m.d.comb += self.value.eq(value)
        return m
