"""From a 32-bit sum to int8 with three multipliers, for a compact chip on an FPGA that has them."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .compact_memory import PERIOD
from .requantise import RequantiseLane
from .stamp import place

__all__ = ["CompactLane"]


class CompactLane(wiring.Component):
    """What `CompactRequantise` is, with several values under way: a `RequantiseLane`, and what fetches for it.

    Parameters
    ----------
    dsps : int
        How many of its products are DSPs.

    Members
    -------
    start : In(1)
        At most every SPACING cycles.
    sum : In(signed(32)), sum_valid : In(1)
        Must be valid in cycle 1 or 2 after `start`, or in both.
    plane : Out(3), byte : In(8 * ROWS)
        Which ROWS rows of the parameter set are wanted, and the value's bytes of them, which come in the next cycle.
    zero_point, minimum, maximum : In(signed(8))
        Stable while values are under way.
    result : Out(signed(8))
        In the last two of a value's LATENCY cycles.

    Latency
    -------
    LATENCY cycles, that of `start` being the first.
    """

    ROWS = 2
    SPACING = PERIOD
    #: Cycles from `start` to the first in which parameters and sum are there, and groups of rows.
    _FETCHED, _GROUPS = 6, 5
    LATENCY = -(-(_FETCHED + RequantiseLane.LATENCY + 2) // SPACING) * SPACING

    def __init__(self, dsps):
        self._dsps = dsps
        super().__init__({
            "start": In(1), "sum": In(signed(32)), "sum_valid": In(1), "plane": Out(3), "byte": In(8 * self.ROWS),
            "zero_point": In(signed(8)), "minimum": In(signed(8)), "maximum": In(signed(8)),
            "result": Out(signed(8))})

    def elaborate(self, platform):
        m = Module()
        # Number of the cycle; 0 from the last one until `start`.
        count = Signal(range(self.SPACING))
        with m.If(self.start | (count != 0)):
            m.d.sync += count.eq(count + 1)
        m.d.comb += self.plane.eq(count)

        total = Signal(signed(32), reset_less=True)
        with m.If(self.sum_valid & ((count == 1) | (count == 2))):
            m.d.sync += total.eq(self.sum)
        parameters = Signal(8 * self.ROWS * self._GROUPS, reset_less=True)
        with m.If((count != 0) & (count <= self._GROUPS)):
            m.d.sync += parameters.eq(Cat(parameters[len(self.byte):], self.byte))

        # All of these stay until cycle 1 of the next value is over, and so the result stays as long.
        stays = self.SPACING + 2 - self._FETCHED
        assert self._FETCHED + RequantiseLane.LATENCY + stays >= self.LATENCY
        lane = place(m, "lane", RequantiseLane(self._dsps), platform)
        m.d.comb += [
            lane.accumulator.eq(total), lane.bias.eq(parameters[:32]), lane.multiplier.eq(parameters[32:63]),
            lane.shift.eq(parameters[64:71]), self.result.eq(lane.result),
            *(getattr(lane, name).eq(getattr(self, name)) for name in ("zero_point", "minimum", "maximum")),
        ]
        return m
