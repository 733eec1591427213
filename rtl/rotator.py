"""Rotates a word of lanes: a level of multiplexers for each bit of the amount."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Rotator"]


class Rotator(wiring.Component):
    """`d` rotated right by `amount` times `step` bits.

    Parameters
    ----------
    width : int
        Bits of the word.
    amount_bits : int
        At least 1.
    step : int
        Bits.

    Members
    -------
    d : In(width), amount : In(amount_bits)
    q : Out(width)

    Latency
    -------
    None: combinational.
    """

    def __init__(self, width, amount_bits, step):
        self._width = width
        self._step = step
        super().__init__({"d": In(width), "amount": In(amount_bits), "q": Out(width)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._width, len(self.amount), self._step

    def elaborate(self, platform):
        m = Module()
        value, last = self.d, len(self.amount) - 1
        for k, bit in enumerate(self.amount):
            level = self.q if k == last else Signal(self._width, name=f"rotated{k}")
            m.d.comb += level.eq(Mux(bit, value.rotate_right(self._step << k), value))
            value = level
        return m
