"""Products outside the array, in the DSP blocks of an FPGA or, where those run out, in adders."""

from amaranth.hdl import Cat, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .multiplier import Multiplier
from .row_pair import RowPair
from .stamp import place

__all__ = ["Product"]


class Product(wiring.Component):
    """`a * b`, a pair a cycle, from registers to registers.

    Parameters
    ----------
    a, b : Shape
        `b` should be the narrower one, it gives the rows of the adders; at least 3 bits.
    dsp : bool
        Whether it is a `Multiplier`, for the DSP blocks of an FPGA, or a tree of adders with a register behind each
        level.

    Members
    -------
    a : In(a), b : In(b)
    product : Out(signed if one of them is, of both widths together)

    Latency
    -------
    `latency(b)` cycles, whatever it is made of.
    """

    @staticmethod
    def latency(b):
        """Cycles from the factors to the product: operands, pairs of rows, then the levels of the adders."""
        pairs = (Shape.cast(b).width + 1) // 2
        return 2 + (pairs - 1).bit_length()

    def __init__(self, a, b, *, dsp):
        self._shapes = a, b = Shape.cast(a), Shape.cast(b)
        self._dsp = dsp
        super().__init__({"a": In(a), "b": In(b),
                          "product": Out(Shape(a.width + b.width, signed=a.signed or b.signed))})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return *((shape.width, shape.signed) for shape in self._shapes), self._dsp

    def elaborate(self, platform):
        m = Module()
        latency = self.latency(self._shapes[1])
        if self._dsp:
            # What the tree of adders takes longer goes into registers on the way there and back.
            before = (latency - Multiplier.LATENCY) // 2
            after = latency - Multiplier.LATENCY - before
            width = max(shape.width + (not shape.signed) for shape in self._shapes)
            multiplier = place(m, "multiplier", Multiplier(width), platform)
            m.d.comb += [
                multiplier.a[0].eq(delayed(m, self.a, before)),
                multiplier.b[0].eq(delayed(m, self.b, before)),
                self.product.eq(delayed(m, multiplier.product[0], after)),
            ]
        else:
            m.d.comb += self.product.eq(self._adders(m))
        return m

    def _adders(self, m):
        """The sum of the rows a * b[i] << i; that of a sign bit counts negative."""
        def register(value):
            target = Signal(value.shape(), name="sum", reset_less=True)
            m.d.sync += target.eq(value)
            return target

        a, b = register(self.a), register(self.b)
        # (position of its lowest bit, sum)
        terms = []
        for low in range(0, len(b), 2):
            # A last row without a partner gets one of its sign, or of zeros.
            bits = Cat(b[low:], b[-1] & b.shape().signed)[:2]
            pair = RowPair(a.shape(), negative=b.shape().signed and low + 2 >= len(b))
            m.submodules[f"rows{low}"] = pair
            m.d.comb += [pair.a.eq(a), pair.b.eq(bits)]
            terms.append((low, register(pair.sum)))
        while len(terms) > 1:
            pairs = [terms[i:i + 2] for i in range(0, len(terms), 2)]
            terms = []
            for (low, term), *other in pairs:
                for high, above in other:
                    term = term + (above << (high - low))
                terms.append((low, register(term)))
        return terms[0][1]
