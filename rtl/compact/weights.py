"""The weight unit of a compact chip: Read_Weights, straight from the memory into the array or onto the load bus."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out

from ..interfaces import LoadBus, UnitPort, field
from ..isa import Destination, Fault, Opcode
from .memory import READ_LATENCY, TimedRead

__all__ = ["CompactWeightUnit"]

#: Of a row's number within its instruction: more than any destination but the array has rows.
_INDEX_BITS = 8


class CompactWeightUnit(wiring.Component):
    """Reads a row in each of its slots, one instruction after the other.

    There is no weight FIFO: a row for the array is read once the array can take it.

    Rows that are in range are delivered before a fault.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit : Out(UnitPort())
        Blocked on the array is not active.
    memory : Out(TimedRead)
        See `CompactMemory`.
    tiles : Out(stream of 8 * cols bits)
        Rows for the array, which stays ready until it has got one.
    load : Out(LoadBus(config))

    Latency
    -------
    The first row is read in the first slot after the cycle of the issue. A row is delivered READ_LATENCY
    cycles after its read, and `retire` comes with the last one; the next instruction is taken in the cycle after that.
    Without rows, retires in the cycle after the issue.
    """

    def __init__(self, config):
        self._config = config
        row = unsigned(8 * config.cols)
        super().__init__({
            "unit": Out(UnitPort()),
            "memory": Out(TimedRead((config.weight_memory_rows - 1).bit_length(), row.width)),
            "tiles": Out(stream.Signature(row)), "load": Out(LoadBus(config))})

    def elaborate(self, platform):
        m = Module()
        rows = self._config.weight_memory_rows
        issue = self.unit.issue
        new = {name: field(issue.payload.word, Opcode.READ_WEIGHTS, name)
               for name in ("destination", "slot", "address", "count")}

        busy, inside, to_array = Signal(), Signal(), Signal()
        # Less one: the sign bit tells the last row, as it would be late for the address of the memory otherwise.
        left = Signal(signed(len(new["count"]) + 1))
        index = Signal(_INDEX_BITS)
        wanted, underway, delivered, last = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            issue.ready.eq(~busy),
            to_array.eq(self.load.destination == Destination.ARRAY),
            last.eq(left[-1]),
            wanted.eq(busy & inside & ~last & (~to_array | self.tiles.ready)),
            self.memory.en.eq(wanted & self.memory.slot),
            self.tiles.valid.eq(delivered & to_array), self.tiles.payload.eq(self.memory.data),
            self.load.valid.eq(delivered & ~to_array), self.load.data.eq(self.memory.data),
            self.load.index.eq(index),
            self.unit.retire.eq(busy & last & ~underway),
            self.unit.active.eq(underway | delivered | (wanted & ~to_array)),
        ]
        assert READ_LATENCY == 2  # cycles under way: these two registers
        m.d.sync += [underway.eq(self.memory.en), delivered.eq(underway)]
        with m.If(self.memory.en):
            m.d.sync += [left.eq(left - 1), self.memory.address.eq(self.memory.address + 1),
                         inside.eq(self.memory.address != rows - 1)]
        # What is far behind the last row of any destination stays there.
        with m.If(delivered & ~index.all()):
            m.d.sync += index.eq(index + 1)
        with m.If(self.unit.retire):
            m.d.sync += busy.eq(0)
        with m.Elif(busy & ~inside & ~last & ~underway & ~delivered):
            m.d.comb += self.unit.fault.eq(Fault.WEIGHT_MEMORY_RANGE)
        with m.If(issue.valid & issue.ready):
            m.d.sync += [
                busy.eq(1), left.eq(new["count"] - 1), index.eq(0), self.memory.address.eq(new["address"]),
                inside.eq(new["address"] < rows), self.unit.fault_pc.eq(issue.payload.pc),
                self.load.destination.eq(new["destination"]), self.load.slot.eq(new["slot"]),
            ]
        return m
