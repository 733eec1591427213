"""The performance counters of a compact chip: one adder and one memory for all."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..counters import COUNTER_BITS, counted_events
from ..interfaces import MemoryRead
from ..packets import COUNTERS
from ..tag_queue import TAG_BITS

__all__ = ["ROUND", "TURN", "WORD_BITS", "CompactCounters"]

#: Cycles of a counter's turn, in which what was counted since the last one is added to its value in the memory.
TURN = 4
#: Cycles until each counter had its turn.
ROUND = TURN * len(COUNTERS)
#: Bits of a counter's number. STATUS has a word before the counters, so there are more words than counters.
WORD_BITS = len(COUNTERS).bit_length()


class CompactCounters(wiring.Component):
    """Counts as `Counters` does.

    Parameters
    ----------
    config : Config
        `tag_depth` snapshots.

    Members
    -------
    start : In(1)
        Pulse: sets all counters to 0, in one round.
    ends_round : Out(1)
        Last cycle of a round. After a round without `enable`, and without `start`, `words` shows all that was counted.
    enable, array_active, useful_macs, weight_stall, weight_shift, matrix_blocked_by, vector_active, activation_active
        See `Counters`. The first cycle with `enable` must follow the end of the round after `start`.
    snapshot : In(1), tag : In(12)
        Stores the values, with `ready` only.
    ready : Out(1)
        In the last cycle of each turn, but for the ROUND cycles after a snapshot.
    words : In(MemoryRead(WORD_BITS + TAG_BITS, 32)), fresh : Out(1)
        Counter c of snapshot t is at c + t * 2**WORD_BITS, counter c itself at c + 1 + tag_depth * 2**WORD_BITS. With
        `fresh`, the data belongs to the address of the cycle before; that is so in two cycles of each turn.

    Latency
    -------
    ROUND cycles a round, TURN a turn.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "start": In(1), "ends_round": Out(1), "enable": In(1), "array_active": In(1), "useful_macs": In(1),
            "weight_stall": In(1), "weight_shift": In(1), "matrix_blocked_by": In(3), "vector_active": In(1),
            "activation_active": In(1),
            "snapshot": In(1), "tag": In(TAG_BITS), "ready": Out(1),
            "words": In(MemoryRead(WORD_BITS + TAG_BITS, COUNTER_BITS)), "fresh": Out(1)})

    def elaborate(self, platform):
        m = Module()
        live = self._config.tag_depth
        m.submodules.memory = memory = Memory(shape=COUNTER_BITS, depth=(live + 1) << WORD_BITS, init=[],
                                              attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port()

        # Whose turn it is: 0 read, 1 add to the snapshot, 2 add to the counter. The port is free from 2 on.
        phase, number, zeroing = Signal(range(TURN)), Signal(range(len(COUNTERS))), Signal()
        last = number == len(COUNTERS) - 1
        m.d.comb += self.ends_round.eq(last & (phase == TURN - 1))
        m.d.sync += phase.eq(phase + 1)
        with m.If(phase == TURN - 1):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        with m.If(self.ends_round):
            m.d.sync += zeroing.eq(0)
        with m.If(self.start):
            m.d.sync += [phase.eq(0), number.eq(0), zeroing.eq(1)]

        # A snapshot adds what was pending when it was asked for, in the round that follows.
        copying, first, tag = Signal(), Signal.like(number), Signal(range(live))
        m.d.comb += self.ready.eq((phase == TURN - 1) & (~copying | (number == first)))
        with m.If((phase == TURN - 1) & (number == first)):
            m.d.sync += copying.eq(0)
        with m.If(self.snapshot):
            m.d.sync += [copying.eq(1), first.eq(number), tag.eq(self.tag)]
        pending, frozen = [], []
        for i, (name, event) in enumerate(counted_events(self).items()):
            counted = Signal(range(ROUND + 1), name=f"{name}_pending")
            held = Signal.like(counted, name=f"{name}_frozen")
            pending.append(counted)
            frozen.append(held)
            counts = Signal(name=f"{name}_event")
            m.d.comb += counts.eq(self.enable & event)
            with m.If(self.start):
                m.d.sync += counted.eq(0)
            with m.Elif((phase == 2) & (number == i)):
                m.d.sync += counted.eq(counts)
            with m.Else():
                m.d.sync += counted.eq(counted + counts)
            with m.If(self.snapshot):
                m.d.sync += held.eq(counted)

        added = Signal.like(pending[0])
        m.d.comb += [
            added.eq(Mux(phase[0], Array(frozen)[number], Array(pending)[number])),
            read.en.eq(phase != 1),
            read.addr.eq(Mux(phase[1], self.words.address, _place(live, number + 1))),
            self.words.data.eq(read.data),
            write.en.eq(Mux(phase[0], copying, 1) & (phase != 3) & (phase != 0)),
            write.addr.eq(Mux(phase[0], _place(tag, number), _place(live, number + 1))),
            write.data.eq(Mux(zeroing, 0, read.data) + added),
            self.fresh.eq((phase == 3) | (phase == 0)),
        ]
        return m


def _place(snapshot, word):
    return (snapshot << WORD_BITS) + word
