"""One byte of each column's parameters: a row of the load bus as it is stored and read."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ParameterPlane"]


class ParameterPlane(wiring.Component):
    """A row of bytes for each slot, of which a beat gets those of its lanes.

    Parameters
    ----------
    slots, cols : int
    lanes : int
        Requantise lanes, a divisor of cols.

    Members
    -------
    write_en : In(1), write_slot : In(3), write_data : In(8 * cols)
    slot : In(3), below slots
    beat : In(cols / lanes)
        Bit b alone for beat b, in which lane i serves column `b * lanes + i`.
    data : Out(8 * lanes)

    Latency
    -------
    `data` follows `slot` and `beat` by a cycle. What is written can be read in the next cycle.
    """

    def __init__(self, slots, cols, lanes):
        self._slots, self._cols, self._lanes = slots, cols, lanes
        super().__init__({"write_en": In(1), "write_slot": In(3), "write_data": In(8 * cols), "slot": In(3),
                          "beat": In(cols // lanes), "data": Out(8 * lanes)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._slots, self._cols, self._lanes

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = store = memory.Memory(shape=8 * self._cols, depth=self._slots, init=[])
        write = store.write_port()
        # The row is wide and there are few: read combinationally, that is from distributed RAM.
        read = store.read_port(domain="comb")
        m.d.comb += [write.en.eq(self.write_en), write.addr.eq(self.write_slot), write.data.eq(self.write_data),
                     read.addr.eq(self.slot)]
        register = Signal(8 * self._lanes, reset_less=True)
        m.d.sync += register.eq(reduce(or_, (
            Mux(chosen, read.data.word_select(beat, 8 * self._lanes), 0) for beat, chosen in enumerate(self.beat))))
        m.d.comb += self.data.eq(register)
        return m
