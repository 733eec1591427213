"""The performance counters and the snapshots that tags take of them."""

from types import SimpleNamespace

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .interfaces import MemoryRead
from .isa import Unit
from .packets import COUNTERS
from .tag_queue import TAG_BITS

__all__ = ["COUNTER_BITS", "Counters", "CountersLayout", "counted_events"]

COUNTER_BITS = 32


def counted_events(inputs):
    """What each counter counts, by its name, from the inputs of `Counters`."""
    matrix_busy = inputs.array_active | inputs.weight_stall | inputs.weight_shift
    blocked = ~matrix_busy & (inputs.matrix_blocked_by != 0)
    by_host = inputs.matrix_blocked_by == Unit.HOST
    return {
        "cycles": 1, "array_active": inputs.array_active, "useful_macs": inputs.useful_macs,
        "weight_stall": inputs.weight_stall, "weight_shift": inputs.weight_shift,
        "raw_stall": blocked & ~by_host, "input_stall": blocked & by_host,
        "vector_active": inputs.vector_active, "activation_active": inputs.activation_active,
    }


class CountersLayout(data.StructLayout):
    """All counters, the first one lowest."""
    def __init__(self):
        super().__init__({name: COUNTER_BITS for name in COUNTERS})


class Counters(wiring.Component):
    """Counts cycles by what the units do in them.

    array_active, weight_stall, weight_shift, raw_stall and input_stall exclude each other; what is left of cycles is
    a matrix unit without instructions. useful_macs is the part of array_active in which no weight would have been zero.

    Parameters
    ----------
    config : Config
        `tag_depth` snapshots.

    Members
    -------
    clear : In(1)
        Sets all counters to 0.
    enable : In(1)
        A program runs.
    array_active, weight_stall, weight_shift : In(1)
        From the matrix unit, at most one at a time.
    useful_macs : In(1)
        From `UsefulMacs`.
    matrix_blocked_by : In(3)
        Unit for which the matrix unit's next instruction waits, or 0.
    vector_active, activation_active : In(1)
        These units make progress.
    values : Out(CountersLayout)
    snapshot : In(1), tag : In(12)
        Stores `values` under that number, which is below tag_depth.
    tags : In(MemoryRead(12, width of CountersLayout))
        The stored snapshots.

    Latency
    -------
    A cycle is counted four cycles later: what comes in is registered where it comes from and here, for it comes from
    all parts of the chip, and what is made of it is. A snapshot holds the cycles before it.

    Source
    ------
    Rows 1, 2, 4, 5, 7 and 8 of Table 3 in Jouppi et al., ISCA 2017.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "clear": In(1), "enable": In(1), "array_active": In(1), "useful_macs": In(1), "weight_stall": In(1),
            "weight_shift": In(1), "matrix_blocked_by": In(3), "vector_active": In(1), "activation_active": In(1),
            "values": Out(CountersLayout()), "snapshot": In(1), "tag": In(TAG_BITS),
            "tags": In(MemoryRead(TAG_BITS, CountersLayout().size))})

    def elaborate(self, platform):
        m = Module()
        # Snapshots are read between programs, so that no read meets a write.
        m.submodules.memory = memory = Memory(shape=CountersLayout().size, depth=self._config.tag_depth, init=[],
                                              attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(delayed(m, self.tag[:len(write.addr)], 3)),
            write.en.eq(delayed(m, self.snapshot, 3)),
            write.data.eq(self.values),
            read.addr.eq(self.tags.address[:len(read.addr)]),
            read.en.eq(self.tags.en),
            self.tags.data.eq(read.data),
        ]

        arrived = SimpleNamespace(**{name: delayed(m, getattr(self, name), 2) for name in (
            "enable", "array_active", "useful_macs", "weight_stall", "weight_shift", "matrix_blocked_by",
            "vector_active", "activation_active")})
        clear = delayed(m, self.clear, 3)
        for name, event in counted_events(arrived).items():
            value, counts = self.values[name], delayed(m, arrived.enable & event, 1)
            with m.If(clear):
                m.d.sync += value.eq(0)
            with m.Elif(counts):
                m.d.sync += value.eq(value + 1)
        return m
