"""Counters of nested loops, for address generators that make a step a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

__all__ = ["LoopNest"]


class LoopNest(Component):
    """Tells by registers which of the nested loops end with the present step.

    That decides which counters and addresses move. The gates for it, in front of hundreds of flip-flops, would be most
    of a cycle; here it is found out a step ahead.

    Parameters
    ----------
    widths : list of int, bits
        Of the count of each loop, innermost first.

    Members
    -------
    counts : In(StructLayout)
        Rounds of each loop: members `of0`, the innermost, `of1` and so on. Taken with `start`. At least 1: with a 0
        `ends` is arbitrary, unless `once` covers it.
    once : In(number of loops)
        Bit i: loop i has one round, whatever its count. Taken with `start`.
    start : In(1)
        The first step is from the next cycle on.
    step : In(1)
        A step of the innermost loop is made. Not after the last one of all loops.
    ends : Out(number of loops)
        Bit i: with this step, loops 0 to i end.

    Latency
    -------
    1 cycle from `start` and `step` to `ends`; a step every cycle.
    """

    def __init__(self, widths):
        self._widths = widths
        super().__init__({
            "counts": In(data.StructLayout({f"of{i}": width for i, width in enumerate(widths)})),
            "once": In(len(widths)), "start": In(1), "step": In(1), "ends": Out(len(widths))})

    def elaborate(self, platform):
        m = Module()
        once = Signal.like(self.once, reset_less=True)
        last, following = Signal.like(self.once, reset_less=True), Signal.like(self.once)

        def ends(lasts):
            return Cat(lasts[:i + 1].all() for i in range(len(lasts)))

        # A start is known last.
        m.d.sync += [last.eq(Mux(self.start, self.once, following)),
                     self.ends.eq(Mux(self.start, ends(self.once), ends(following)))]
        with m.If(self.start):
            m.d.sync += once.eq(self.once)
        m.d.comb += following.eq(last)
        for i, width in enumerate(self._widths):
            # Rounds after the next one, less one: negative tells that the next one is the last.
            rest, again = (Signal(signed(width + 1), name=f"{name}_{i}", reset_less=True) for name in ("rest", "again"))
            first = Signal.like(rest, name=f"first_{i}")
            m.d.comb += first.eq(self.counts[f"of{i}"] - 3)
            goes = self.step & (self.ends[i - 1] if i else 1)
            with m.If(self.step & self.ends[i]):
                m.d.comb += following[i].eq(once[i])
            with m.Elif(goes):
                m.d.comb += following[i].eq(rest[-1])
            with m.If(self.start):
                m.d.sync += again.eq(first)
            with m.If(self.start | goes):
                m.d.sync += rest.eq(Mux(self.start, first, Mux(self.ends[i], again, rest - 1)))
        return m
