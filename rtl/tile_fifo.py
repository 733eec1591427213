"""The weight FIFO: rows of tiles on the way from the weight unit to the array."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .delay import delayed

__all__ = ["TileFifo"]


class TileFifo(wiring.Component):
    """Keeps rows in order. Who writes lies far from who takes: both have what they must know in registers of their own.

    Parameters
    ----------
    width : int, bits
        Of a row.
    depth : int
        Rows.

    Members
    -------
    write : In(1), data : In(width)
        Pulse: a row comes. At most `depth` are written and not yet `freed`.
    freed : Out(1)
        Pulse: there is a place more.
    rows : Out(stream of `width` bits)
        A transfer takes the oldest row; the payload follows it by LATENCY cycles, and stays for one.

    Latency
    -------
    ARRIVAL cycles from `write` to the first cycle in which the row can be taken, FREED from a transfer to `freed`; a
    row a cycle.
    """

    LATENCY = 4
    ARRIVAL = 3
    FREED = 2

    def __init__(self, width, depth):
        self._depth = depth
        super().__init__({"write": In(1), "data": In(width), "freed": Out(1), "rows": Out(stream.Signature(width))})

    def elaborate(self, platform):
        m = Module()
        depth = self._depth
        # A row is read long after it was written.
        m.submodules.storage = storage = Memory(
            shape=len(self.data), depth=depth, init=[], attrs={"no_rw_check": 1})
        write, read = storage.write_port(), storage.read_port()
        arrived, taken, away = Signal(self.ARRIVAL - 1), Signal(), Signal(self.FREED)
        # Rows that can be taken, less one: negative tells that there are none.
        there = Signal(range(-1, depth), init=-1)
        m.d.sync += [arrived.eq((arrived << 1) | self.write), away.eq((away << 1) | taken),
                     there.eq(there + arrived[-1] - taken)]
        m.d.comb += [
            self.rows.valid.eq(~there[-1]), taken.eq(self.rows.valid & self.rows.ready), self.freed.eq(away[-1]),
            write.en.eq(self.write), write.data.eq(self.data), read.en.eq(1),
            self.rows.payload.eq(delayed(m, read.data, self.LATENCY - self.FREED - 1)),
        ]
        # A row is read FREED cycles after it was taken: what leaves its place frees it.
        for port, moves in ((write, self.write), (read, self.freed)):
            place = Signal(range(depth))
            m.d.comb += port.addr.eq(place)
            with m.If(moves):
                m.d.sync += place.eq(Mux(place == depth - 1, 0, place + 1))
        return m
