"""From a 32-bit sum to int8 with one narrow multiplier, used again and again."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CompactRequantise"]


class CompactRequantise(wiring.Component):
    """`clamp(requantise(sum + bias, multiplier, shift) + zero_point)`, as `RequantiseLane`, for one value at a time.

    The shifts are multiplications by powers of two: the same adder does all three, `requantise_bits` bits a cycle.

    Parameters
    ----------
    bits : int
        `Config.requantise_bits`.

    Members
    -------
    start : In(1)
        In the first of CYCLES cycles; the next may follow them at once.
    sum : In(signed(32)), sum_valid : In(1)
        Must be valid in cycle 1 or 2, or in both.
    plane : Out(4), byte : In(8)
        Row of the parameter set that is wanted, and the value's byte of it, which comes in the next cycle.
    zero_point, minimum, maximum : In(signed(8))
        Stable in the last cycles.
    result : Out(signed(8))
        From `result_cycle` on, until the next result.

    Latency
    -------
    `cycles(bits)` cycles a value.
    """

    #: Cycles before the first multiplication, after it, after the second, and after the third.
    _LOAD, _RELOAD, _ROUND, _CLAMP = 7, 4, 1, 4

    @classmethod
    def cycles(cls, bits):
        """Cycles a value."""
        return cls._LOAD + cls._RELOAD + cls._ROUND + cls._CLAMP + 3 * (32 // bits)

    @classmethod
    def result_cycle(cls, bits):
        """Number of the first cycle in which `result` is there."""
        return cls.cycles(bits) - 2

    def __init__(self, bits):
        self._bits = bits
        super().__init__({
            "start": In(1), "sum": In(signed(32)), "sum_valid": In(1), "plane": Out(4), "byte": In(8),
            "zero_point": In(signed(8)), "minimum": In(signed(8)), "maximum": In(signed(8)),
            "result": Out(signed(8))})

    def elaborate(self, platform):
        m = Module()
        bits = self._bits
        steps = 32 // bits

        # value * factor, the factor's low bits first. The product's low half moves into `factor` as that moves out.
        value, total, factor = (Signal(shape, name=name, reset_less=True) for name, shape in
                                (("value", signed(32)), ("total", signed(33)), ("factor", 32)))
        shift = Signal(signed(7), reset_less=True)
        exponent = Signal(5, reset_less=True)
        power = Signal()
        count = Signal(range(max(steps, 8)))
        digit, following = Signal(bits), Signal(signed(33 + bits))
        with m.If(power):
            m.d.comb += digit.eq(Mux(exponent // bits == count, 1 << exponent % bits, 0))
        with m.Else():
            m.d.comb += digit.eq(factor[:bits])
        terms = [Mux(digit[k], value << k, Const(0, signed(32 + bits))) for k in range(bits)]
        while len(terms) > 1:
            terms = [sum(pair[1:], pair[0]) for pair in (terms[i:i + 2] for i in range(0, len(terms), 2))]
        m.d.comb += following.eq(total + terms[0])

        def multiply(last):
            m.d.sync += [total.eq(following >> bits), factor.eq(Cat(factor[bits:], following[:bits]))]
            with m.If(count == steps - 1):
                m.d.sync += count.eq(0)
                m.next = last

        # The product over 2**31.
        product = Signal(signed(32))
        m.d.comb += product.eq(Cat(factor[-1], total[:31]))
        carry = Signal()
        summed = Signal(9)
        m.d.comb += summed.eq(value[:8] + self.byte + carry)
        narrow, moved = Signal(signed(9)), Signal(signed(10), reset_less=True)
        sign = product[-1]
        m.d.comb += narrow.eq(Mux(product[8:] == sign.replicate(24), product[:9], Cat((~sign).replicate(8), sign)))

        m.d.sync += count.eq(count + 1)
        with m.FSM():
            with m.State("LOAD"):
                # In cycle 1 comes the shift, from cycle 3 on the bias.
                with m.Switch(count):
                    with m.Case(0):
                        m.d.comb += self.plane.eq(8)
                        with m.If(~self.start):
                            m.d.sync += count.eq(0)
                    with m.Case(1, 2):
                        m.d.sync += carry.eq(0)
                        with m.If(count[0]):
                            m.d.sync += shift.eq(self.byte)
                        with m.If(self.sum_valid):
                            m.d.sync += value.eq(self.sum)
                    with m.Default():
                        m.d.comb += self.plane.eq(count - 2)
                        m.d.sync += exponent.eq(Mux(shift < 0, 0, shift))
                        m.d.sync += [value.eq(Cat(value[8:], summed[:8])), carry.eq(summed[8]), total.eq(0)]
                with m.If(count == self._LOAD - 1):
                    m.d.sync += count.eq(0)
                    m.next = "LEFT"

            with m.State("LEFT"):
                m.d.comb += [power.eq(1), self.plane.eq(4)]
                multiply("RELOAD")

            with m.State("RELOAD"):
                m.d.comb += self.plane.eq(Cat((count + 1)[:2], 1))
                m.d.sync += [factor.eq(Cat(factor[8:], self.byte)), total.eq(1 << 30)]
                with m.If(count == 0):
                    m.d.sync += value.eq(factor)
                with m.If(count == self._RELOAD - 1):
                    m.d.sync += count.eq(0)
                    m.next = "SCALE"

            with m.State("SCALE"):
                m.d.sync += exponent.eq(Mux(shift < 0, shift - 1, 31))
                multiply("ROUND")

            with m.State("ROUND"):
                # Adds half of the last place, less a little for negative values: halves go away from zero.
                m.d.sync += [value.eq(product), total.eq(Cat(sign.replicate(30), ~sign)), count.eq(0)]
                m.next = "RIGHT"

            with m.State("RIGHT"):
                m.d.comb += power.eq(1)
                multiply("CLAMP")

            with m.State("CLAMP"):
                with m.If(count == 0):
                    m.d.sync += moved.eq(narrow + self.zero_point)
                with m.If(count == 1):
                    m.d.sync += self.result.eq(Mux(moved < self.minimum, self.minimum,
                                                   Mux(moved > self.maximum, self.maximum, moved)))
                with m.If(count == self._CLAMP - 1):
                    m.d.sync += count.eq(0)
                    m.next = "LOAD"
        return m
