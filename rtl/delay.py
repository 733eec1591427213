"""A value some cycles later."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

__all__ = ["DelayMemory", "delayed"]


def delayed(m, value, cycles):
    """`value` after that many registers without reset, for data and what travels beside it.

    Not within an `m.If`, which would be the enable of the registers.

    Parameters
    ----------
    m : Module
        Where the registers go; clock domain ``sync``.
    value : Value
        What to delay; its shape and sign are kept.
    cycles : int
        Registers; 0 returns `value` itself.
    """
    for _ in range(cycles):
        register = Signal.like(value, name="delayed", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value


class DelayMemory(Component):
    """A word many cycles later, in distributed RAM: a fraction of the flip-flops that `delayed` takes.

    Parameters
    ----------
    width : int
    cycles : int
        At least 2.

    Members
    -------
    d : In(width), q : Out(width)

    Latency
    -------
    `cycles`. Reset changes nothing of what is under way.
    """

    def __init__(self, width, cycles):
        assert cycles >= 2
        self._width = width
        self._cycles = cycles
        super().__init__({"d": In(width), "q": Out(width)})

    @property
    def stamp_key(self):
        """What makes two of them equal."""
        return self._width, self._cycles

    def elaborate(self, platform):
        m = Module()
        depth = self._cycles
        m.submodules.memory = memory = Memory(shape=self._width, depth=depth, init=[], attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port(domain="comb")
        # The oldest word is in the place after that of the newest: no read meets a write, whatever RAM this becomes.
        place = Signal(range(depth), reset_less=True)
        following = Signal(range(depth), init=1, reset_less=True)
        register = Signal(self._width, reset_less=True)
        m.d.sync += [place.eq(following), following.eq(Mux(following == depth - 1, 0, following + 1)),
                     register.eq(read.data)]
        m.d.comb += [write.en.eq(1), write.addr.eq(place), write.data.eq(self.d), read.addr.eq(following),
                     self.q.eq(register)]
        return m
