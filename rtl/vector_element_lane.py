"""One lane of the vector unit's back: element-wise arithmetic before the last requantisation."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .isa import AVERAGE_FRACTION, Function
from .requantise import Rescale

__all__ = ["ElementLane"]

#: Fractional bits that TFLite's ADD and SUB give their operands before they rescale them.
_LEFT_SHIFT = 20
_OPERAND_BITS = 9 + _LEFT_SHIFT


class ElementLane(wiring.Component):
    """Adds, subtracts or multiplies the operands of an element-wise function; passes the value of all others.

    Members
    -------
    value : In(32)
        As TapLane gives it: int32 (AVERAGE scales it here), or the operands in bytes 0 and 1.
    function : In(3), that of `value`
    zero_point_a, zero_point_b : In(signed(8))
    multiplier_a, multiplier_b : In(unsigned(31))
    shift_a, shift_b : In(signed(7))
        Stable while element-wise values are in flight.
    accumulator : Out(signed(32))

    Latency
    -------
    LATENCY cycles, one value a cycle.
    """

    LATENCY = Rescale.LATENCY + 2

    def __init__(self):
        super().__init__({"value": In(32), "function": In(3),
                          "zero_point_a": In(signed(8)), "zero_point_b": In(signed(8)),
                          "multiplier_a": In(unsigned(31)), "multiplier_b": In(unsigned(31)),
                          "shift_a": In(signed(7)), "shift_b": In(signed(7)), "accumulator": Out(signed(32))})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return ()

    def elaborate(self, platform):
        m = Module()
        function, value = Signal(3, reset_less=True), Signal(signed(32), reset_less=True)
        m.d.sync += [function.eq(self.function), value.eq(self.value)]
        differences, rescaled = [], []
        for i, (name, zero_point, multiplier, shift) in enumerate((
                ("a", self.zero_point_a, self.multiplier_a, self.shift_a),
                ("b", self.zero_point_b, self.multiplier_b, self.shift_b))):
            m.submodules[f"rescale_{name}"] = rescale = Rescale(_OPERAND_BITS)
            difference = Signal(signed(9), name=f"difference_{name}", reset_less=True)
            m.d.sync += difference.eq(self.value.word_select(i, 8).as_signed() - zero_point)
            m.d.comb += [rescale.value.eq(difference << _LEFT_SHIFT), rescale.multiplier.eq(multiplier),
                         rescale.shift.eq(shift)]
            differences.append(difference)
            rescaled.append(rescale.result)

        # What is not rescaled waits beside it.
        waiting = Signal(signed(32), reset_less=True)
        with m.Switch(function):
            with m.Case(Function.MULTIPLY):
                m.d.sync += waiting.eq(differences[0] * differences[1])
            with m.Case(Function.AVERAGE):
                m.d.sync += waiting.eq(value << AVERAGE_FRACTION)
            with m.Default():
                m.d.sync += waiting.eq(value)
        waited = delayed(m, waiting, Rescale.LATENCY - 1)

        accumulator = Signal(signed(32), reset_less=True)
        with m.Switch(delayed(m, function, Rescale.LATENCY)):
            with m.Case(Function.ADD):
                m.d.sync += accumulator.eq(rescaled[0] + rescaled[1])
            with m.Case(Function.SUBTRACT):
                m.d.sync += accumulator.eq(rescaled[0] - rescaled[1])
            with m.Default():
                m.d.sync += accumulator.eq(waited)
        m.d.comb += self.accumulator.eq(accumulator)
        return m
