"""Semaphores, and the waits of an instruction on them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .isa import FIELDS_HEAD, SEMAPHORE_BITS, Unit

__all__ = ["HEAD_BITS", "SemaphoreLayout", "Waits", "reached", "units"]

#: Width of the part that all instructions share: opcode and waits.
HEAD_BITS = sum(f.width for f in FIELDS_HEAD)


def units(config):
    """The units of a chip, in the order of their numbers: the first has semaphore 1."""
    return [unit for unit in Unit if unit is not Unit.NONE and (config.has_vector or unit is not Unit.VECTOR)]


class SemaphoreLayout(data.ArrayLayout):
    """The semaphores by unit number; that of `Unit.NONE` is always 0."""
    def __init__(self, config):
        super().__init__(SEMAPHORE_BITS, len(units(config)) + 1)


def reached(semaphores, unit, count):
    """Whether the semaphore of `unit` is at or up to 2**15 - 1 past `count`; that of NONE always is."""
    difference = semaphores[unit] - count
    return (unit == Unit.NONE) | ~difference[SEMAPHORE_BITS - 1]


class Waits(wiring.Component):
    """Evaluates the two waits of the instruction that its owner holds.

    Parameters
    ----------
    config : Config

    Members
    -------
    head : In(HEAD_BITS)
        The low bits of the instruction.
    restart : In(1)
        `head` may be another instruction from the next cycle on.
    semaphores : In(SemaphoreLayout)
    met : Out(1)
        Both waits held one cycle ago.
    blocked_by : Out(3)
        Unit of the first wait that did not, or 0.

    Latency
    -------
    1 cycle: `met` is low in the first cycle of an instruction.
    """

    def __init__(self, config):
        super().__init__({
            "head": In(HEAD_BITS), "restart": In(1), "semaphores": In(SemaphoreLayout(config)),
            "met": Out(1), "blocked_by": Out(3)})

    def elaborate(self, platform):
        m = Module()
        fields, offset = {}, 0
        for f in FIELDS_HEAD:
            fields[f.name] = self.head[offset:offset + f.width]
            offset += f.width
        # The semaphore's multiplexer and the subtraction end in a register, so that they cost no issue path any time.
        met = Signal(2)
        for i in range(2):
            m.d.sync += met[i].eq(
                ~self.restart & reached(self.semaphores, fields[f"wait{i}_unit"], fields[f"wait{i}_count"]))
        m.d.comb += [
            self.met.eq(met.all()),
            self.blocked_by.eq(Mux(~met[0], fields["wait0_unit"], Mux(~met[1], fields["wait1_unit"], Unit.NONE))),
        ]
        return m
