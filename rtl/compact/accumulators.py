"""The accumulators of a compact chip: vectors come every other cycle at most, so that one read port is enough."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from ..accumulators import VectorControl
from ..mac import sum_width
from ..stamp import place

__all__ = ["CompactAccumulators", "CompactColumn"]


class CompactColumn(Component):
    """One column: a memory that is read in one cycle and written in the next. All registers are reset-less.

    Parameters
    ----------
    depth : int
        Accumulator rows.
    width : int
        Bits of the sums from the array.

    Members
    -------
    control : In(VectorControl), control_out : Out(VectorControl)
        From the column to the west and, one cycle later, to the east. No two cycles in a row have `en`.
    sum : In(signed(width))
        From the array, `SUM_DELAY` cycles after its control.
    row : In(range(depth)), data : Out(32), fresh : Out(1)
        With `fresh` in the cycle after, `data` is that row; in any two cycles it is at least once.

    Latency
    -------
    A sum is read from WRITTEN cycles after its control on.
    """

    SUM_DELAY = 1
    WRITTEN = 2

    def __init__(self, depth, width):
        self.depth = depth
        self.width = width
        control = VectorControl(depth)
        super().__init__({"control": In(control), "control_out": Out(control), "sum": In(signed(width)),
                          "row": In(range(depth)), "data": Out(32), "fresh": Out(1)})

    @property
    def stamp_key(self):
        """What makes two columns equal."""
        return self.depth, self.width

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=32, depth=self.depth, init=[], attrs={"no_rw_check": 1})
        read, write = memory.read_port(), memory.write_port()
        before = Signal(VectorControl(self.depth), reset_less=True)
        m.d.sync += before.eq(self.control)
        m.d.comb += [
            read.en.eq(1), read.addr.eq(Mux(self.control.en, self.control.address, self.row)),
            write.en.eq(before.en), write.addr.eq(before.address),
            write.data.eq(Mux(before.accumulate, read.data, 0) + self.sum),
            self.control_out.eq(before), self.data.eq(read.data), self.fresh.eq(~before.en),
        ]
        return m


class CompactAccumulators(Component):
    """All columns; a vector's control enters once and travels along them in step with the array's skewed sums.

    Parameters
    ----------
    config : Config

    Members
    -------
    control : In(VectorControl)
        `SUM_DELAY` cycles before the sum of column 0; at most every other cycle.
    sums : In(sum_width(rows) * cols)
        As from `SystolicArray`: column c is c cycles later than column 0.
    row : In(range(depth)), data : Out(32 * cols), fresh : Out(cols)
        See `CompactColumn`; column c in bits 32*c.

    Latency
    -------
    `written(config)` cycles from `control` to the first cycle in which `row` finds all sums of a vector.
    """

    SUM_DELAY = CompactColumn.SUM_DELAY

    @staticmethod
    def written(config):
        """Cycles from a vector's control to the first read that sees all its sums."""
        return config.cols - 1 + CompactColumn.WRITTEN

    def __init__(self, config):
        self.config = config
        super().__init__({
            "control": In(VectorControl(config.accumulator_depth)), "sums": In(sum_width(config.rows) * config.cols),
            "row": In(range(config.accumulator_depth)), "data": Out(32 * config.cols), "fresh": Out(config.cols)})

    def elaborate(self, platform):
        m = Module()
        depth, width = self.config.accumulator_depth, sum_width(self.config.rows)
        control = self.control
        for c in range(self.config.cols):
            column = place(m, f"column{c}", CompactColumn(depth, width), platform)
            m.d.comb += [
                column.control.eq(control), column.sum.eq(self.sums.word_select(c, width).as_signed()),
                column.row.eq(self.row), self.data.word_select(c, 32).eq(column.data), self.fresh[c].eq(column.fresh),
            ]
            control = column.control_out
        return m
