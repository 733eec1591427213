"""Products outside the array, in the DSP blocks of an FPGA or, where those run out, in adders."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed

__all__ = ["Product"]


class Product(wiring.Component):
    """`a * b`, a pair a cycle, from registers to registers.

    Parameters
    ----------
    a, b : Shape
        `b` should be the narrower one: it gives the rows of the adders.
    dsp : bool
        Whether it is written as a product, which synthesis gives to a DSP block, with registers on both sides for the
        way there and back; or as a tree of adders with a register behind each level.

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
            before = latency // 2
            product = Signal.like(self.product, name="early", reset_less=True)
            m.d.sync += product.eq(delayed(m, self.a, before) * delayed(m, self.b, before))
            m.d.comb += self.product.eq(delayed(m, product, latency - before - 1))
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
        rows = [Mux(bit, a, 0) for bit in b]
        if b.shape().signed:
            rows[-1] = -rows[-1]
        # (position of its lowest bit, sum)
        terms = list(enumerate(rows))
        while True:
            pairs = [terms[i:i + 2] for i in range(0, len(terms), 2)]
            terms = []
            for (low, term), *other in pairs:
                for high, above in other:
                    term = term + (above << (high - low))
                terms.append((low, register(term)))
            if len(terms) == 1:
                return terms[0][1]
