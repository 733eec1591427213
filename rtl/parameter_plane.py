"""One byte of each column's parameters: rows of the load bus as they are stored and read."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .one_hot import one_hot

__all__ = ["ParameterPlane"]


class ParameterPlane(wiring.Component):
    """A row of bytes for each slot, of which a beat gets those of its lanes.

    A row is written in parts, one a cycle, so that the memory is no wider than what is read of it: distributed RAM has
    sixteen words, a chip four slots.

    Parameters
    ----------
    slots, cols : int
    lanes : int
        Requantise lanes, a divisor of cols.
    parts : int
        Of a row, a divisor of cols / lanes.

    Members
    -------
    write_en : In(1), write_slot : In(3), below slots
        A row begins; not again before its last part.
    write_data : In(8 * cols)
        The row in equal parts: the first one a cycle after `write_en`, each of the others a cycle after the one before.
    slot : In(3), below slots
    part : In(range(parts))
    beat : In(cols / lanes / parts)
        Bit b alone for beat b of the part, in which lane i serves its column `b * lanes + i`.
    data : Out(8 * lanes)

    Latency
    -------
    `data` follows `slot`, `part` and `beat` by a cycle. Part p of a row can be read `2 + p` cycles after `write_en`.
    """

    def __init__(self, slots, cols, lanes, parts):
        self._slots, self._cols, self._lanes, self._parts = slots, cols, lanes, parts
        super().__init__({"write_en": In(1), "write_slot": In(3), "write_data": In(8 * cols), "slot": In(3),
                          "part": In(range(parts)), "beat": In(cols // lanes // parts), "data": Out(8 * lanes)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._slots, self._cols, self._lanes, self._parts

    def elaborate(self, platform):
        m = Module()
        width, part_bits = 8 * self._cols // self._parts, len(self.part)
        m.submodules.memory = store = memory.Memory(shape=width, depth=self._slots << part_bits, init=[])
        write = store.write_port()
        # The word is short and there are few: read combinationally, that is from distributed RAM.
        read = store.read_port(domain="comb")

        # No reset: what is on its way is stored.
        writing, slot = Signal(reset_less=True), Signal(3, reset_less=True)
        part = Signal(range(self._parts), reset_less=True)
        with m.If(self.write_en):
            m.d.sync += [writing.eq(1), slot.eq(self.write_slot), part.eq(0)]
        with m.Else():
            m.d.sync += [writing.eq(writing & (part != self._parts - 1)), part.eq(part + 1)]
        # An array of words: `word_select` by a signal elaborates in the square of the row's width.
        words = Array(self.write_data.word_select(i, width) for i in range(self._parts))
        m.d.comb += [write.en.eq(writing), write.addr.eq(Cat(part, slot)), write.data.eq(words[part]),
                     read.addr.eq(Cat(self.part, self.slot))]

        register = Signal(8 * self._lanes, reset_less=True)
        beats = [read.data.word_select(beat, 8 * self._lanes) for beat in range(len(self.beat))]
        m.d.sync += register.eq(beats[0] if len(beats) == 1 else one_hot(self.beat, beats))
        m.d.comb += self.data.eq(register)
        return m
