"""The loop nest of the vector unit: which vectors a Vector instruction reads, and where its outputs go."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ADDRESS_BITS
from .delay import delayed
from .interfaces import PC_BITS, IssueLayout, field
from .isa import CONFIG, TABLE, Function, Opcode, Unit
from .loop_address import LoopAddress
from .loop_nest import LoopNest

__all__ = ["SettingsLayout", "StepLayout", "VectorAddress"]

_COUNT_BITS = 14


class SettingsLayout(data.StructLayout):
    """The vector unit's configuration registers, by their names in `isa.CONFIG`."""
    def __init__(self):
        super().__init__({r.name: Shape(r.width, r.signed) for r in CONFIG[Unit.VECTOR]})


class StepLayout(data.StructLayout):
    """What travels beside each vector read.

    Parameters
    ----------
    config : Config

    Members
    -------
    read : 1
        A vector is read. Low in the token that only retires an instruction without work.
    first, last : 1
        It is the first, the last of its step of x.
    output : 1
        With `last`: the step makes an output.
    retire : 1
        It is the instruction's last.
    kernel_row : range(vector_kernel_rows)
        Number of the read within its step (depthwise: kernel row).
    function, slot : 3
        Those of the instruction.
    """
    def __init__(self, config):
        super().__init__(_walked(config) | {"function": 3, "slot": 3})


def _walked(config):
    """The fields of a step that change within an instruction."""
    flags = ("read", "first", "last", "output", "retire")
    return {**dict.fromkeys(flags, 1), "kernel_row": range(config.vector_kernel_rows)}


class _TokenLayout(data.StructLayout):
    """What the walk gives, on its way through the pacing: what changes of a step, and its addresses."""
    def __init__(self, config):
        super().__init__(_walked(config) | {"read_address": ADDRESS_BITS, "write_address": ADDRESS_BITS})


class VectorAddress(wiring.Component):
    """Walks y, x, tap1, tap0 and gives one read a cycle.

    The last reads of two steps of x are at least `vector_beats` apart. The walk is up to two tokens ahead of this
    pacing, so that one register tells whether it goes on: it moves hundreds of flip-flops.

    Every address is checked before it is used; with the first that is out of range the walk ends for good.

    Parameters
    ----------
    config : Config

    Members
    -------
    issue : In(stream of IssueLayout)
        Vector instructions. Not ready while one runs, nor after a fault. The payload must stay for one more cycle
        after it was taken, as that of a `StreamRegister` does.
    settings : In(SettingsLayout)
        Stable from the cycle in which an instruction is taken until it has run.
    running : Out(1)
        An instruction is being walked or paced; it ends in the cycle before the last token.
    step : Out(StepLayout(config))
        In a cycle without a token, `read`, `first`, `last`, `output` and `retire` are 0.
    read_address : Out(26), byte address of the read, with `step.read`
    write_address : Out(26), byte address of the output, with `step.output`
    columns : Out(range(cols + 1)), bytes of the output, with `step.output`
    fault : Out(1)
        An address was out of range. Stays until reset.
    fault_pc : Out(16), address of the instruction that runs or ran last

    Latency
    -------
    The first token comes START_LATENCY cycles after the instruction is taken. Between the last token of an
    instruction and the first of the next, three cycles stay empty.
    """

    START_LATENCY = 4

    def __init__(self, config):
        self._config = config
        super().__init__({
            "issue": In(stream.Signature(IssueLayout())), "settings": In(SettingsLayout()),
            "running": Out(1), "step": Out(StepLayout(config)),
            "read_address": Out(ADDRESS_BITS), "write_address": Out(ADDRESS_BITS),
            "columns": Out(range(config.cols + 1)), "fault": Out(1), "fault_pc": Out(PC_BITS)})

    def elaborate(self, platform):
        m = Module()
        config, settings = self._config, self.settings
        start = {f.name: field(self.issue.payload.word, Opcode.VECTOR, f.name) for f in TABLE[Opcode.VECTOR].fields}

        taken, walking, empty = Signal(), Signal(), Signal()
        function, slot = Signal(3, reset_less=True), Signal(3, reset_less=True)
        columns = Signal(range(config.cols + 1), reset_less=True)
        write_limit = Signal(ADDRESS_BITS, reset_less=True)

        # The four loops, innermost first.
        counts = (settings.tap0_count, settings.tap1_count, settings.x_count, start["y_count"])
        strides = (settings.tap0_stride, settings.tap1_stride, settings.x_stride, settings.y_stride)
        m.submodules.loops = loops = LoopNest([_COUNT_BITS] * 4)
        m.submodules.read = read = LoopAddress()
        kernel_row, first = Signal(range(config.vector_kernel_rows)), Signal()
        last, last_x = Signal(), Signal()
        m.d.comb += [last.eq(loops.ends[1]), last_x.eq(loops.ends[2])]

        # Steps of x until the next output, less one: negative means that this step makes it. A column_step of 0
        # gives the same sign as 1.
        until_output = Signal(signed(_COUNT_BITS + 1), reset_less=True)
        until_first, until_next = Signal.like(until_output), Signal.like(until_output)
        write_row, write_address = (
            Signal(ADDRESS_BITS, name=name, reset_less=True) for name in ("write_row", "write_address"))
        output = Signal()
        m.d.comb += output.eq(last & until_output[-1])

        # What the walk gives is paced at `head`; what comes while that waits is kept in `spare`.
        token, spare, head = (
            Signal(_TokenLayout(config), name=name, reset_less=True) for name in ("token", "spare", "head"))
        token_valid, spare_valid, head_valid = (
            Signal(name=name) for name in ("token_valid", "spare_valid", "head_valid"))
        advance, out_of_range = Signal(), Signal()
        m.d.comb += [
            advance.eq(walking & ~spare_valid),
            out_of_range.eq((read.address > config.unified_buffer_bytes - config.cols)
                            | (output & (write_address > write_limit))),
            token_valid.eq(advance & (empty | ~out_of_range)),
            token.read.eq(~empty), token.first.eq(first), token.last.eq(last & ~empty),
            token.output.eq(output & ~empty), token.retire.eq(empty | loops.ends[3]), token.kernel_row.eq(kernel_row),
            token.read_address.eq(read.address), token.write_address.eq(write_address),
            self.running.eq(taken | walking | head_valid | spare_valid),
            self.issue.ready.eq(~self.running & ~self.fault),
        ]

        m.d.comb += [
            read.start.eq(taken), read.origin.eq(start["in_address"]), read.step.eq(advance),
            read.ends.eq(loops.ends), read.strides.eq(Cat(strides)),
        ]

        # A cycle later: whether one is taken is known late. Its counts have been there for longer.
        m.d.sync += taken.eq(self.issue.valid & self.issue.ready)
        none, once = (delayed(m, Cat(count == rounds for count in counts), 1) for rounds in (0, 1))
        m.d.comb += [loops.counts.eq(Cat(counts)), loops.once.eq(once), loops.start.eq(taken), loops.step.eq(advance)]
        with m.If(taken):
            m.d.sync += [
                walking.eq(1), first.eq(1), kernel_row.eq(0), self.fault_pc.eq(self.issue.payload.pc),
                empty.eq(none.any()),
                function.eq(start["function"]), slot.eq(start["slot"]), columns.eq(start["columns"]),
                write_limit.eq(config.unified_buffer_bytes - start["columns"]),
                write_row.eq(start["out_address"]), write_address.eq(start["out_address"]),
            ]
            # All functions but DEPTHWISE make an output in every step.
            depthwise = start["function"] == Function.DEPTHWISE
            for until in (until_output, until_first):
                m.d.sync += until.eq(Mux(depthwise, settings.first_column, 0) - 1)
            m.d.sync += until_next.eq(Mux(depthwise, settings.column_step, 0) - 2)

        with m.Elif(advance):
            with m.If(loops.ends[3]):
                m.d.sync += walking.eq(0)

            with m.If(last):
                m.d.sync += [kernel_row.eq(0), until_output.eq(until_output - 1)]
            with m.Else():
                m.d.sync += kernel_row.eq(kernel_row + 1)
            with m.If(output):
                m.d.sync += [write_address.eq(write_address + settings.out_x_stride), until_output.eq(until_next)]
            with m.If(last_x):
                row = Signal(ADDRESS_BITS)
                m.d.comb += row.eq(write_row + settings.out_y_stride)
                m.d.sync += [write_row.eq(row), write_address.eq(row), until_output.eq(until_first)]

            # The loops above go on in any case, so that the range check is in no path to them.
            m.d.sync += first.eq(last)
            with m.If(empty):
                m.d.sync += walking.eq(0)
            with m.Elif(out_of_range):
                m.d.sync += [walking.eq(0), self.fault.eq(1)]

        self._pace(m, token, token_valid, spare, spare_valid, head, head_valid)
        m.d.sync += [self.step.function.eq(function), self.step.slot.eq(slot), self.columns.eq(columns)]
        return m

    def _pace(self, m, token, token_valid, spare, spare_valid, head, head_valid):
        """Takes tokens as they come, holds back the last one of a step, and shows what goes at the outputs."""
        # Cycles until a step may end, less one: negative means that it may.
        beats = self._config.vector_beats
        pace = Signal(signed(beats.bit_length() + 1), init=-1)
        goes = Signal()
        m.d.comb += goes.eq(head_valid & (~head.last | pace[-1]))
        with m.If(goes & head.last):
            m.d.sync += pace.eq(beats - 2)
        with m.Elif(~pace[-1]):
            m.d.sync += pace.eq(pace - 1)

        with m.If(~head_valid | goes):
            m.d.sync += [head.eq(Mux(spare_valid, spare, token)), head_valid.eq(spare_valid | token_valid),
                         spare_valid.eq(0)]
        with m.Else():
            m.d.sync += spare_valid.eq(spare_valid | token_valid)
        with m.If(~spare_valid):
            m.d.sync += spare.eq(token)

        for name in ("read", "first", "last", "output", "retire"):
            m.d.sync += self.step[name].eq(goes & head[name])
        m.d.sync += [self.step.kernel_row.eq(head.kernel_row), self.read_address.eq(head.read_address),
                     self.write_address.eq(head.write_address)]
