"""Port signatures by which the chip's components meet. Directions are those of the component named first."""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from . import isa
from .config import ADDRESS_BITS
from .packets import COUNTERS

__all__ = ["BUFFER_READ_LATENCY", "PC_BITS", "BufferRead", "BufferWrite", "IssueLayout", "LoadBus", "MemoryRead",
           "MemoryWrite", "StatusLayout", "UnitPort", "field"]

PC_BITS = 16

#: Cycles from `en` of a unified-buffer read to its data.
BUFFER_READ_LATENCY = 7


class IssueLayout(data.StructLayout):
    """One instruction on its way to a unit: its 128 bits and its address, by which a fault names it."""
    def __init__(self):
        super().__init__({"word": isa.INSTRUCTION_BITS, "pc": PC_BITS})


def field(word, opcode, name):
    """The bits of field `name` in an instruction word of that opcode."""
    offset, width = isa.TABLE[opcode].layout()[name]
    return word[offset:offset + width]


class UnitPort(wiring.Signature):
    """What each unit shows the sequencer (as the unit's port: Out).

    Members
    -------
    issue : In(stream of IssueLayout)
        Legal instructions whose waits hold, in order: work instructions and Set_Configuration of this unit only.
    retire : Out(1)
        Pulse for each work instruction, in order, in the cycle of its last effect or later: what is issued in the next
        cycle sees it.
    active : Out(1)
        The unit made progress in this cycle, or data is in flight in it. Low when idle and when it waits for another
        unit.
    fault : Out(4)
        `isa.Fault` in one cycle, that in which a fault is found or the next, else 0. The access is not made.
    fault_pc : Out(16)
        Address of that instruction.
    """
    def __init__(self):
        super().__init__({"issue": In(stream.Signature(IssueLayout())), "retire": Out(1), "active": Out(1),
                          "fault": Out(4), "fault_pc": Out(PC_BITS)})


class BufferRead(wiring.Signature):
    """A read port of the unified buffer (as the reader's port: Out). `data` follows `en` by BUFFER_READ_LATENCY cycles.

    The reader has checked that address + count <= unified_buffer_bytes. No back-pressure. `en` tells those who count or
    share the port when there is a read; the memories are read in any case.
    """
    def __init__(self, count):
        super().__init__({"en": Out(1), "address": Out(ADDRESS_BITS), "data": In(8 * count)})


class BufferWrite(wiring.Signature):
    """A write port of the unified buffer (as the writer's port: Out): the low `count` bytes of `data`.

    Visible to a read whose `en` comes in the next cycle or later (the vector unit's port: two cycles later). The writer
    keeps `en` low in the cycle after each cycle with `en` high, and has checked the range. No back-pressure.
    """
    def __init__(self, count):
        super().__init__({"en": Out(1), "address": Out(ADDRESS_BITS), "count": Out(range(count + 1)),
                          "data": Out(8 * count)})


class LoadBus(wiring.Signature):
    """Rows that Read_Weights delivers to parameter stores (as the fetch unit's port: Out). Always taken.

    Members
    -------
    valid : Out(1)
    destination : Out(2), `isa.Destination`, never ARRAY
    slot : Out(3)
    index : Out(20), number of the row within the instruction
    data : Out(8 * cols)
    """
    def __init__(self, config):
        super().__init__({"valid": Out(1), "destination": Out(2), "slot": Out(3), "index": Out(20),
                          "data": Out(8 * config.cols)})


class MemoryRead(wiring.Signature):
    """A synchronous read port (as the reader's port: Out); `data` follows `en` by one cycle, or as the memory
    says."""
    def __init__(self, address_bits, width):
        super().__init__({"en": Out(1), "address": Out(address_bits), "data": In(width)})


class MemoryWrite(wiring.Signature):
    """A synchronous write port (as the writer's port: Out)."""
    def __init__(self, address_bits, width):
        super().__init__({"en": Out(1), "address": Out(address_bits), "data": Out(width)})


class StatusLayout(data.StructLayout):
    """What STATUS and STOPPED carry, first field first (little endian on the wire, byte for byte)."""
    def __init__(self):
        super().__init__({"state": unsigned(8), "fault": unsigned(8), "fault_pc": unsigned(16),
                          **{name: unsigned(32) for name in COUNTERS}})
