"""One lane of the vector unit's back: element-wise arithmetic before the last requantisation."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .isa import AVERAGE_FRACTION, Function
from .product import Product
from .rounding_shift import RoundingShift

__all__ = ["ElementLane"]

#: Fractional bits that TFLite's ADD and SUB give their operands before they rescale them.
_LEFT_SHIFT = 20
#: An operand less its zero point.
_DIFFERENCE = signed(9)


class ElementLane(wiring.Component):
    """Adds, subtracts or multiplies the operands of an element-wise function; passes the value of all others.

    Parameters
    ----------
    dsp : bool
        Whether the products are DSPs, see `Product`.

    Members
    -------
    value : In(32)
        As TapLane gives it: int32 (AVERAGE scales it here), or the operands in bytes 0 and 1.
    function : In(3), that of `value`
    zero_point_a, zero_point_b : In(signed(8))
    multiplier_a, multiplier_b : In(unsigned(31))
    shift_a, shift_b : In(signed(7)), -31 to 0; positive ones act as 0
        Stable while element-wise values are in flight.
    accumulator : Out(signed(32))

    Latency
    -------
    LATENCY cycles, one value a cycle.
    """

    #: Cycles from the value to its products.
    _PRODUCTS = 1 + Product.latency(_DIFFERENCE)
    LATENCY = _PRODUCTS + 1 + RoundingShift.LATENCY + 2

    def __init__(self, dsp):
        self._dsp = dsp
        super().__init__({"value": In(32), "function": In(3),
                          "zero_point_a": In(signed(8)), "zero_point_b": In(signed(8)),
                          "multiplier_a": In(unsigned(31)), "multiplier_b": In(unsigned(31)),
                          "shift_a": In(signed(7)), "shift_b": In(signed(7)), "accumulator": Out(signed(32))})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._dsp

    def elaborate(self, platform):
        m = Module()
        differences, rescaled = [], []
        for i, (name, zero_point, multiplier, shift) in enumerate((
                ("a", self.zero_point_a, self.multiplier_a, self.shift_a),
                ("b", self.zero_point_b, self.multiplier_b, self.shift_b))):
            difference = Signal(_DIFFERENCE, name=f"difference_{name}", reset_less=True)
            m.d.sync += difference.eq(self.value.word_select(i, 8).as_signed() - zero_point)
            differences.append(difference)

            # The difference has so few bits that one product is all of it; its last bits are rounded away.
            scaled = self._product(m, f"scale_{name}", multiplier, difference)
            half = 30 - _LEFT_SHIFT
            rounded = Signal(signed(32), name=f"rounded_{name}", reset_less=True)
            m.d.sync += rounded.eq((scaled[half:].as_signed() + 1) >> 1)
            m.submodules[f"rounding_{name}"] = rounding = RoundingShift()
            m.d.comb += [rounding.value.eq(rounded), rounding.right.eq(delayed(m, Mux(shift[-1], -shift, 0), 1))]
            rescaled.append(rounding.result)

        # What is not rescaled waits beside it.
        waiting = Signal(signed(32), reset_less=True)
        value = delayed(m, self.value, self._PRODUCTS).as_signed()
        product = self._product(m, "product", *differences)
        # One bit each, for all bits of the value.
        multiplies, averages, adds, subtracts = (self.function == function for function in (
            Function.MULTIPLY, Function.AVERAGE, Function.ADD, Function.SUBTRACT))
        multiplies, averages = delayed(m, multiplies, self._PRODUCTS), delayed(m, averages, self._PRODUCTS)
        combines, subtracts = delayed(m, adds | subtracts, self.LATENCY - 1), delayed(m, subtracts, self.LATENCY - 2)
        with m.If(multiplies):
            m.d.sync += waiting.eq(product)
        with m.Elif(averages):
            m.d.sync += waiting.eq(value << AVERAGE_FRACTION)
        with m.Else():
            m.d.sync += waiting.eq(value)
        waited = delayed(m, waiting, RoundingShift.LATENCY + 1)

        # One adder: what is subtracted is inverted, and a carry comes in below.
        combined, accumulator = (Signal(signed(32), name=name, reset_less=True) for name in ("combined", "accumulator"))
        second = rescaled[1] ^ subtracts.replicate(32)
        m.d.sync += [combined.eq((Cat(Const(1, 1), rescaled[0]) + Cat(subtracts, second))[1:33]),
                     accumulator.eq(Mux(combines, combined, waited))]
        m.d.comb += self.accumulator.eq(accumulator)
        return m

    def _product(self, m, name, a, b):
        m.submodules[name] = product = Product(a.shape(), b.shape(), dsp=self._dsp)
        m.d.comb += [product.a.eq(a), product.b.eq(b)]
        return product.product
