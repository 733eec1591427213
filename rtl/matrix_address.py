"""The loop nest of the matrix unit: which vectors an instruction multiplies, and where their sums go."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from .config import ADDRESS_BITS
from .interfaces import PC_BITS, IssueLayout, field
from .isa import CONFIG, TABLE, Fault, Opcode, Unit
from .loop_address import LoopAddress
from .loop_nest import LoopNest
from .stream_register import StreamRegister

__all__ = ["MatrixAddress", "RequestLayout"]


class RequestLayout(data.StructLayout):
    """One vector to multiply, or what stands for an instruction without vectors.

    Members
    -------
    vector : whether there is one
    switch : the next tile becomes active for it
    address : its byte address in the unified buffer
    row : its accumulator row
    accumulate : add to that row
    last : of its instruction
    fault : `Fault`; if not NONE the access must not be made
    pc : address of its instruction
    """
    def __init__(self, config):
        super().__init__({
            "vector": unsigned(1), "switch": unsigned(1), "address": ADDRESS_BITS,
            "row": range(config.accumulator_depth), "accumulate": unsigned(1), "last": unsigned(1),
            "fault": unsigned(4), "pc": PC_BITS,
        })


class MatrixAddress(Component):
    """Address generator: the loops of Matrix_Multiply and Convolve, and the registers of Set_Configuration.

    The buffer is checked before the accumulators: a vector out of both ranges is UNIFIED_BUFFER_RANGE.

    Parameters
    ----------
    config : Config

    Members
    -------
    issue : In(stream of IssueLayout)
        Instructions of the matrix unit.
    request : Out(stream of RequestLayout)
        At least one for each work instruction; those of consecutive instructions follow each other without a gap,
        unless one has a single request.
    moving : Out(1)
        Something in it advances in this cycle.

    Latency
    -------
    `LATENCY` cycles from an instruction to its first request; Set_Configuration takes two cycles.
    """

    LATENCY = 3

    def __init__(self, config):
        self.config = config
        super().__init__({
            "issue": In(stream.Signature(IssueLayout())),
            "request": Out(stream.Signature(RequestLayout(config))),
            "moving": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        settings = {r.name: Signal(r.width, name=r.name) for r in CONFIG[Unit.MATRIX]}

        m.submodules.register = waiting = StreamRegister(IssueLayout())
        connect(m, flipped(self.issue), waiting.arriving)
        ahead, take = waiting.kept.payload, waiting.kept.ready

        def of(opcode):
            return {f.name: field(ahead.word, opcode, f.name) for f in TABLE[opcode].fields}

        multiply, convolve, setting = of(Opcode.MATRIX_MULTIPLY), of(Opcode.CONVOLVE), of(Opcode.SET_CONFIGURATION)
        # What it is, is known when it arrives: much moves when it is taken. So is what its loops are besides a count:
        # whether one has no or one round; of those that registers count, when these are written.
        arriving = waiting.arriving.payload.word
        is_convolve, is_setting, starts, empty_plane, once_x, once_y = (
            Signal(name=name) for name in ("is_convolve", "is_setting", "starts", "empty_plane", "once_x", "once_y"))
        x_count, y_count, length = (field(arriving, opcode, name) for opcode, name in (
            (Opcode.CONVOLVE, "x_count"), (Opcode.CONVOLVE, "y_count"), (Opcode.MATRIX_MULTIPLY, "length")))
        with m.If(waiting.arriving.ready):
            opcode = field(arriving, Opcode.NOP, "opcode")
            m.d.sync += [is_convolve.eq(opcode == Opcode.CONVOLVE), is_setting.eq(opcode == Opcode.SET_CONFIGURATION),
                         starts.eq(self.issue.valid & (opcode != Opcode.SET_CONFIGURATION))]
            with m.If(opcode == Opcode.CONVOLVE):
                m.d.sync += [empty_plane.eq((x_count == 0) | (y_count == 0)),
                             once_x.eq(x_count == 1), once_y.eq(y_count == 1)]
            with m.Else():
                m.d.sync += [empty_plane.eq(length == 0), once_x.eq(length == 1), once_y.eq(1)]
        with m.Elif(take):
            m.d.sync += starts.eq(0)
        no_pass, once_pass = Signal(2, init=0b11), Signal(2)

        # The running instruction.
        running, vector, switch, accumulate = (
            Signal(name=name) for name in ("running", "vector", "switch", "accumulate"))
        pc = Signal(PC_BITS, reset_less=True)
        m.submodules.loops = loops = LoopNest([14, 14, 16, 16])
        m.submodules.read = read = LoopAddress()
        x_stride = Signal(ADDRESS_BITS, name="x_increment", reset_less=True)
        row_start = Signal(14, reset_less=True)
        row = Signal(15, reset_less=True)

        _, pass_last, _, last = loops.ends
        # Whether a step is made is in a register, for it moves all loops: a request that is made when the one before
        # is not taken waits in `spare`.
        step, spare_valid, free = Signal(), Signal(), Signal()
        m.d.comb += [
            step.eq(running & ~spare_valid),
            free.eq(~running | (last & ~spare_valid)),
            take.eq(waiting.kept.valid & free),
            self.moving.eq(take | step | (self.issue.valid & self.issue.ready)),
        ]

        with m.If(step):
            m.d.sync += [row.eq(row + 1), switch.eq(0)]
            with m.If(pass_last):
                m.d.sync += [row.eq(row_start), accumulate.eq(1), switch.eq(1)]
            with m.If(last):
                m.d.sync += running.eq(0)

        # A cycle after `take`, when `ahead` still holds the instruction and none is begun.
        written, passes = Signal(), ("pass0_count", "pass1_count")
        m.d.sync += written.eq(take & is_setting)
        with m.If(written):
            for number in (0, 1):
                for register in CONFIG[Unit.MATRIX]:
                    with m.If(setting[f"index{number}"] == register.index):
                        value = setting[f"value{number}"]
                        m.d.sync += settings[register.name].eq(value)
                        if register.name in passes:
                            which = passes.index(register.name)
                            m.d.sync += [no_pass[which].eq(value == 0), once_pass[which].eq(value == 1)]
        # Without rounds it makes one step, which stands for the instruction.
        empty = Signal()
        m.d.comb += [
            empty.eq(empty_plane | (is_convolve & no_pass.any())),
            loops.start.eq(starts & free), loops.step.eq(step),
            loops.once.eq(Cat(once_x, once_y, once_pass | (~is_convolve).replicate(2)) | empty.replicate(4)),
            loops.counts.of0.eq(Mux(is_convolve, convolve["x_count"], multiply["length"])),
            loops.counts.of1.eq(convolve["y_count"]),
            loops.counts.of2.eq(settings["pass0_count"]), loops.counts.of3.eq(settings["pass1_count"]),
        ]
        m.d.comb += [
            read.start.eq(loops.start), read.step.eq(step), read.ends.eq(loops.ends),
            read.origin.eq(Mux(is_convolve, convolve["ub_address"], multiply["ub_address"])),
            read.strides.eq(Cat(x_stride, *(settings[f"{name}_stride"] for name in ("y", "pass0", "pass1")))),
        ]
        with m.If(loops.start):
            acc_address = Mux(is_convolve, convolve["acc_address"], multiply["acc_address"])
            m.d.sync += [
                running.eq(1), pc.eq(ahead.pc),
                row_start.eq(acc_address), row.eq(acc_address),
            ]
            m.d.sync += [vector.eq(~empty), switch.eq(~empty & (is_convolve | multiply["switch"]))]
            with m.If(is_convolve):
                m.d.sync += [accumulate.eq(convolve["accumulate"]), x_stride.eq(settings["x_stride"])]
            with m.Else():
                m.d.sync += [accumulate.eq(multiply["accumulate"]), x_stride.eq(multiply["stride"])]

        fault = Signal(4)
        with m.If(vector & (read.address > self.config.unified_buffer_bytes - self.config.rows)):
            m.d.comb += fault.eq(Fault.UNIFIED_BUFFER_RANGE)
        with m.Elif(vector & (row >= self.config.accumulator_depth)):
            m.d.comb += fault.eq(Fault.ACCUMULATOR_RANGE)
        made, spare = (Signal(RequestLayout(self.config), name=name, reset_less=True) for name in ("made", "spare"))
        m.d.comb += [
            made.vector.eq(vector), made.switch.eq(switch), made.address.eq(read.address), made.row.eq(row),
            made.accumulate.eq(accumulate), made.last.eq(last), made.fault.eq(fault), made.pc.eq(pc),
        ]
        with m.If(~self.request.valid | self.request.ready):
            m.d.sync += [self.request.payload.eq(Mux(spare_valid, spare, made)),
                         self.request.valid.eq(spare_valid | running), spare_valid.eq(0)]
        with m.Else():
            m.d.sync += spare_valid.eq(spare_valid | running)
        with m.If(~spare_valid):
            m.d.sync += spare.eq(made)
        return m
