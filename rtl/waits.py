"""Semaphores, and the waits of an instruction on them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .isa import FIELDS_HEAD, SEMAPHORE_BITS, Unit

__all__ = ["HEAD_BITS", "SemaphoreLayout", "SemaphoreWait", "Waits", "reached", "units"]

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
    return (unit == Unit.NONE) | _past(semaphores[unit], count)


def _past(value, count):
    difference = value - count
    return ~difference[SEMAPHORE_BITS - 1]


class SemaphoreWait(wiring.Component):
    """`reached`, with registers for the way.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit : In(3), count : In(SEMAPHORE_BITS)
    restart : In(1)
        Unit and count may be others from the next cycle on.
    semaphores : In(SemaphoreLayout)
    met : Out(1)

    Latency
    -------
    LATENCY cycles from all inputs; `met` is low in the first cycles after `restart`.
    """

    LATENCY = 2

    def __init__(self, config):
        super().__init__({"unit": In(3), "count": In(SEMAPHORE_BITS), "restart": In(1),
                          "semaphores": In(SemaphoreLayout(config)), "met": Out(1)})

    def elaborate(self, platform):
        m = Module()
        # A cycle to choose and one to subtract: the semaphores lie far from what waits for them.
        chosen, any_count, restarted = Signal(SEMAPHORE_BITS, reset_less=True), Signal(), Signal(init=1)
        m.d.sync += [
            chosen.eq(self.semaphores[self.unit]),
            any_count.eq(self.unit == Unit.NONE),
            restarted.eq(self.restart),
            self.met.eq(~self.restart & ~restarted & (any_count | _past(chosen, self.count))),
        ]
        return m


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
        Both waits held two cycles ago.
    blocked_by : Out(3)
        Unit of the first wait that did not, or 0.

    Latency
    -------
    `SemaphoreWait.LATENCY` cycles: `met` is low in so many first cycles of an instruction.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "head": In(HEAD_BITS), "restart": In(1), "semaphores": In(SemaphoreLayout(config)),
            "met": Out(1), "blocked_by": Out(3)})

    def elaborate(self, platform):
        m = Module()
        fields, offset = {}, 0
        for f in FIELDS_HEAD:
            fields[f.name] = self.head[offset:offset + f.width]
            offset += f.width
        waits = [SemaphoreWait(self._config) for _ in range(2)]
        for i, wait in enumerate(waits):
            m.submodules[f"wait{i}"] = wait
            m.d.comb += [wait.unit.eq(fields[f"wait{i}_unit"]), wait.count.eq(fields[f"wait{i}_count"]),
                         wait.restart.eq(self.restart), wait.semaphores.eq(self.semaphores)]
        m.d.comb += [
            self.met.eq(waits[0].met & waits[1].met),
            self.blocked_by.eq(Mux(~waits[0].met, waits[0].unit, Mux(~waits[1].met, waits[1].unit, Unit.NONE))),
        ]
        return m
