"""The accumulators below the array: memories of 32-bit sums, overwritten or added to at one vector a cycle."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from .delay import delayed
from .interfaces import MemoryRead
from .mac import sum_width
from .stamp import place

__all__ = ["AccumulatorColumn", "Accumulators", "ColumnControl", "VectorControl"]


class VectorControl(data.StructLayout):
    """What happens to one vector of sums: with `en`, row `address` is overwritten, or with `accumulate` added to."""
    def __init__(self, depth):
        super().__init__({"en": unsigned(1), "address": range(depth), "accumulate": unsigned(1)})


class ColumnControl(data.StructLayout):
    """`VectorControl` on its way along the columns.

    `again` says which earlier write an addition depends on that the memory does not show yet: bit d-1 is set if the
    vector d cycles before wrote the same row. At most one bit is set, that of the latest.
    """
    def __init__(self, depth):
        super().__init__({"en": unsigned(1), "address": range(depth), "accumulate": unsigned(1), "again": unsigned(4)})


class AccumulatorColumn(Component):
    """One column: a memory with a read-modify-write pipeline and a second read port.

    The pipeline: 0 read, 1 from the memory, 2 old value and sum, 3 add, 4 write. All registers are reset-less, as
    stamping demands.

    Parameters
    ----------
    depth : int
        Accumulator rows.
    width : int
        Bits of the sums from the array.

    Members
    -------
    control : In(ColumnControl), control_out : Out(ColumnControl)
        From the column to the west and, one cycle later, to the east.
    sum : In(signed(width))
        From the array, `SUM_DELAY` cycles after its control.
    read_address : In(range(depth)), read_data : Out(32)
        Second port; data one cycle after the address.

    Latency
    -------
    A read on the second port sees a sum from `WRITTEN` cycles after its control on.
    """

    SUM_DELAY = 2
    WRITTEN = 5

    def __init__(self, depth, width):
        self.depth = depth
        self.width = width
        super().__init__({
            "control": In(ColumnControl(depth)), "control_out": Out(ColumnControl(depth)),
            "sum": In(signed(width)),
            "read_address": In(range(depth)), "read_data": Out(32),
        })

    @property
    def stamp_key(self):
        """What makes two columns equal."""
        return self.depth, self.width

    def elaborate(self, platform):
        m = Module()
        # What a read finds of a write in its own cycle is not used: `again` stands for it, or a semaphore rules it out.
        m.submodules.memory = memory = Memory(shape=32, depth=self.depth, init=[], attrs={"no_rw_check": 1})
        modify, read, write = memory.read_port(), memory.read_port(), memory.write_port()
        m.d.comb += [
            read.en.eq(1),  # who asks knows when; an enable of all blocks is a slow wire
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]

        # Stage numbers are those of the pipeline; a result is in `total` in stage 4 and in `written` one cycle later.
        layout = ColumnControl(self.depth)
        stage1, stage2, stage3, stage4 = (Signal(layout, name=f"stage{n}", reset_less=True) for n in (1, 2, 3, 4))
        fetched, forwarded, old, total, written = (
            Signal(32, name=name, reset_less=True) for name in ("fetched", "forwarded", "old", "total", "written"))
        m.d.comb += [
            modify.en.eq(1),  # `believed` says whether it counts
            modify.addr.eq(self.control.address),
            self.control_out.eq(stage1),
        ]
        m.d.sync += [stage1.eq(self.control), stage2.eq(stage1), stage3.eq(stage2), stage4.eq(stage3)]

        # The old value is the disjunction of what may be it, all but one 0: a block memory answers late, hence a
        # register of its own, which is the block's where it has one, and counts if the memory is to be believed. Behind
        # the vector just before, nothing of this counts: the addend is its total then.
        believed = delayed(m, self.control.accumulate & ~self.control.again[1:].any(), 2)
        m.d.sync += [
            fetched.eq(modify.data),
            forwarded.eq(Mux(stage1.again[2], total, 0) | Mux(stage1.again[3], written, 0)),
            old.eq(Mux(stage2.again[1], total, 0) | forwarded | Mux(believed, fetched, 0)),
        ]

        addend = Signal(32)
        m.d.comb += addend.eq(Mux(stage3.again[0], total, old))
        # The sum comes from the array: a register for the way.
        m.d.sync += [total.eq(addend + delayed(m, self.sum, 1)), written.eq(total)]
        m.d.comb += [write.en.eq(stage4.en), write.addr.eq(stage4.address), write.data.eq(total)]
        return m


class Accumulators(Component):
    """All columns; a vector's control enters once and travels along them in step with the array's skewed sums.

    Parameters
    ----------
    config : Config

    Members
    -------
    control : In(VectorControl)
        `SUM_DELAY` cycles before the sum of column 0.
    sums : In(sum_width(rows) * cols)
        As from `SystolicArray`: column c is c cycles later than column 0.
    read : In(MemoryRead(14, 32 * cols))
        Port of the activation unit: a row, column c in bits 32*c, one cycle after its address, `en` or not; the address
        is below accumulator_depth where the row matters.

    Latency
    -------
    `written(config)` cycles from `control` to the first cycle in which a read (its `en`) sees the whole row.
    """

    SUM_DELAY = 1 + AccumulatorColumn.SUM_DELAY

    @staticmethod
    def written(config):
        """Cycles from a vector's control to the first read that sees all its sums."""
        return 1 + config.cols - 1 + AccumulatorColumn.WRITTEN

    def __init__(self, config):
        self.config = config
        super().__init__({
            "control": In(VectorControl(config.accumulator_depth)),
            "sums": In(sum_width(config.rows) * config.cols),
            "read": In(MemoryRead(14, 32 * config.cols)),
        })

    def elaborate(self, platform):
        m = Module()
        depth, width = self.config.accumulator_depth, sum_width(self.config.rows)

        # Which earlier writes matter is the same for all columns: found here once, by comparing with the last four.
        entry = Signal(ColumnControl(depth))
        earlier = [Signal(VectorControl(depth), name=f"earlier{d}") for d in (2, 3, 4)]
        conflict = Signal(4)
        for d, vector in enumerate((entry, *earlier)):
            m.d.comb += conflict[d].eq(self.control.accumulate & vector.en & (vector.address == self.control.address))
        m.d.sync += [
            entry.en.eq(self.control.en),
            entry.address.eq(self.control.address),
            entry.accumulate.eq(self.control.accumulate),
            entry.again.eq(conflict & -conflict),
        ]
        for vector, newer in zip(earlier, (entry, *earlier)):
            m.d.sync += [vector.en.eq(newer.en), vector.address.eq(newer.address)]

        control, read_address = entry, self.read.address[:len(entry.address)]
        for c in range(self.config.cols):
            column = place(m, f"column{c}", AccumulatorColumn(depth, width), platform, control=control,
                           sum=self.sums.word_select(c, width), read_address=read_address,
                           read_data=self.read.data.word_select(c, 32))
            control = column.control_out
        return m
