"""The addresses of nested loops."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .config import ADDRESS_BITS

__all__ = ["LoopAddress"]


class LoopAddress(Component):
    """Byte addresses of four nested loops, each of which goes on by a stride of its own from where its round began.

    Members
    -------
    start : In(1)
        All loops begin at `origin`.
    origin : In(ADDRESS_BITS)
    step : In(1)
        A step of the innermost loop is made; not with `start` unless all loops end.
    ends : In(4)
        As of `LoopNest`: bit i says that with this step loops 0 to i end.
    strides : In(array of 4 x ADDRESS_BITS)
        Innermost first.
    address : Out(ADDRESS_BITS)
        Of the present step. Arbitrary after the last one.

    Latency
    -------
    1 cycle from `start` and `step` to `address`.
    """

    def __init__(self):
        super().__init__({
            "start": In(1), "origin": In(ADDRESS_BITS), "step": In(1), "ends": In(4),
            "strides": In(data.ArrayLayout(ADDRESS_BITS, 4)), "address": Out(ADDRESS_BITS)})

    def elaborate(self, platform):
        m = Module()
        # Where the present round of each loop began.
        rounds = [Signal(ADDRESS_BITS, name=f"round_{i}", reset_less=True) for i in range(4)]

        # An adder each, for a choice behind them costs less time than one before. Its two halves have as many inputs as
        # a look-up table, as a loop ends only where those within it do.
        sums = [Signal(ADDRESS_BITS, name=f"sum_{i}") for i in range(4)]
        chosen = (Mux(self.ends[0], Mux(self.ends[1], 0, sums[1]), sums[0])
                  | Mux(self.ends[1], Mux(self.ends[2], sums[3], sums[2]), 0))
        following = Signal(ADDRESS_BITS)
        m.d.comb += [*(total.eq(value + stride) for total, value, stride in zip(sums, rounds, self.strides)),
                     following.eq(Mux(self.start, self.origin, chosen)), self.address.eq(rounds[0])]
        # The conditions side by side: each moves many flip-flops.
        for i in range(4):
            with m.If(self.start | (self.step & (self.ends[i - 1] if i else 1))):
                m.d.sync += rounds[i].eq(following)
        return m
