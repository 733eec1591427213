"""The systolic skew: lane i of a vector i cycles later than lane 0."""

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from .stamp import place

__all__ = ["DelayLine", "Skew"]


class DelayLine(Component):
    """A word some cycles later, in registers without reset.

    A line is two lines of half the length, so that equal parts are elaborated once.

    Parameters
    ----------
    width : int
    cycles : int
        At least 1.

    Members
    -------
    d : In(width), q : Out(width)

    Latency
    -------
    `cycles`.
    """

    def __init__(self, width, cycles):
        self.width = width
        self.cycles = cycles
        super().__init__({"d": In(width), "q": Out(width)})

    @property
    def stamp_key(self):
        """What makes two lines equal."""
        return self.width, self.cycles

    def elaborate(self, platform):
        m = Module()
        if self.cycles == 1:
            register = Signal(self.width, reset_less=True)
            m.d.sync += register.eq(self.d)
            m.d.comb += self.q.eq(register)
        else:
            half, middle = self.cycles // 2, Signal(self.width)
            place(m, "first", DelayLine(self.width, half), platform, d=self.d, q=middle)
            place(m, "second", DelayLine(self.width, self.cycles - half), platform, d=middle, q=self.q)
        return m


class Skew(Component):
    """Delays each lane of a vector by its number.

    The far half of the lanes is delayed as one word, then both halves are skewed alike: the cost of elaboration grows
    with the lanes, not with their square as the registers do, and a simulation moves wide words.

    Parameters
    ----------
    lanes : int
    width : int
        Bits of a lane.

    Members
    -------
    d : In(lanes * width), q : Out(lanes * width)
        Lane i in bits width*i.

    Latency
    -------
    i cycles for lane i.
    """

    def __init__(self, lanes, width):
        self.lanes = lanes
        self.width = width
        super().__init__({"d": In(lanes * width), "q": Out(lanes * width)})

    @property
    def stamp_key(self):
        """What makes two skews equal."""
        return self.lanes, self.width

    def elaborate(self, platform):
        m = Module()
        if self.lanes == 1:
            m.d.comb += self.q.eq(self.d)
            return m
        half = self.lanes // 2
        split = half * self.width
        late = Signal(len(self.d) - split)
        place(m, "line", DelayLine(len(late), half), platform, d=self.d[split:], q=late)
        place(m, "near", Skew(half, self.width), platform, d=self.d[:split], q=self.q[:split])
        place(m, "far", Skew(self.lanes - half, self.width), platform, d=late, q=self.q[split:])
        return m
