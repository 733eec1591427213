"""Products outside the array, in the DSP blocks of an FPGA or, where those run out, in adders."""

from amaranth.hdl import Cat, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .multiplier import Multiplier
from .row_pair import RowPair
from .stamp import place

__all__ = ["Product"]


def _signed_width(shape):
    """Bits that a shape takes as a signed one."""
    return shape.width + (not shape.signed)


class Product(wiring.Component):
    """`a * b`, a pair a cycle, from registers to registers.

    Parameters
    ----------
    a, b : Shape
        `b` should be the narrower one, it gives the rows of the adders; at least 3 bits, 5 if `a` takes two blocks.
    dsp : bool
        Whether it is a `Multiplier`, for the DSP blocks of an FPGA (two if `a` has more than their 18 bits, sign
        included, but less than 36), or a tree of adders with a register behind each level.

    Members
    -------
    a : In(a), b : In(b)
    product : Out(signed if one of them is, of both widths together)

    Latency
    -------
    `latency(b)` cycles, whatever it is made of.

    Errors
    ------
    ValueError
        For factors that are no product of one or two blocks, if it is to be one.
    """

    @staticmethod
    def latency(b):
        """Cycles from the factors to the product: operands, pairs of rows, then the levels of the adders."""
        pairs = (Shape.cast(b).width + 1) // 2
        return 2 + (pairs - 1).bit_length()

    def __init__(self, a, b, *, dsp):
        self._shapes = a, b = Shape.cast(a), Shape.cast(b)
        self._dsp = dsp
        self._blocks = 1 if _signed_width(a) <= Multiplier.WIDEST else 2
        if dsp and (_signed_width(a) >= 2 * Multiplier.WIDEST or _signed_width(b) > Multiplier.WIDEST
                    or self.latency(b) < Multiplier.LATENCY + self._blocks - 1):
            raise ValueError(f"a product of {a!r} and {b!r} is not made of one or two blocks")
        super().__init__({"a": In(a), "b": In(b),
                          "product": Out(Shape(a.width + b.width, signed=a.signed or b.signed))})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return *((shape.width, shape.signed) for shape in self._shapes), self._dsp

    def elaborate(self, platform):
        m = Module()
        if not self._dsp:
            m.d.comb += self.product.eq(self._adders(m))
        elif self._blocks == 1:
            m.d.comb += self.product.eq(self._block(m, platform, "multiplier", self.a))
        else:
            # A factor that is too wide for a block goes into two, and a cycle is for their sum.
            low_bits = Multiplier.WIDEST - 1
            high = self.a[low_bits:]
            products = [self._block(m, platform, f"multiplier_{name}", piece, cycles=1) for name, piece in (
                ("low", self.a[:low_bits]), ("high", high.as_signed() if self._shapes[0].signed else high))]
            total = Signal.like(self.product, name="total", reset_less=True)
            m.d.sync += total.eq(products[0] + (products[1] << low_bits))
            m.d.comb += self.product.eq(total)
        return m

    def _block(self, m, platform, name, a, cycles=0):
        """The product of a and the factor b by a block, so many cycles before the latency is over."""
        # What the tree of adders takes longer goes into registers on the way there and back.
        spare = self.latency(self._shapes[1]) - Multiplier.LATENCY - cycles
        before = spare // 2
        width = max(map(_signed_width, (a.shape(), self._shapes[1])))
        multiplier = place(m, name, Multiplier(width), platform)
        m.d.comb += [
            multiplier.a[0].eq(delayed(m, a, before)),
            multiplier.b[0].eq(delayed(m, self.b, before)),
        ]
        return delayed(m, multiplier.product[0], spare - before)

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
