"""The matrix unit: executes Matrix_Multiply and Convolve on the systolic array.

`VectorGenerator` turns instructions into one checked request a cycle; `MatrixUnit` serves a request as soon as its tile
is loaded and sends its control beside the data: from the buffer read on everything has a fixed latency.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from .accumulators import Accumulators
from .array import SystolicArray, delay
from .config import ADDRESS_BITS
from .delay import DelayMemory, delayed
from .interfaces import BUFFER_READ_LATENCY, PC_BITS, BufferRead, IssueLayout, MemoryRead, UnitPort, field
from .isa import CONFIG, TABLE, Fault, Opcode, Unit
from .stamp import place
from .stream_register import StreamRegister
from .useful_macs import UsefulMacs

__all__ = ["MatrixUnit", "RequestLayout", "VectorGenerator"]


#: Cycles from a request that is served to its bytes: the buffer is far, hence a register before its own.
_READ_LATENCY = 1 + BUFFER_READ_LATENCY


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


class VectorGenerator(Component):
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
        # What it is, is known when it arrives: much moves when it is taken.
        is_convolve, is_setting = Signal(), Signal()
        with m.If(waiting.arriving.ready):
            opcode = field(waiting.arriving.payload.word, Opcode.NOP, "opcode")
            m.d.sync += [is_convolve.eq(opcode == Opcode.CONVOLVE), is_setting.eq(opcode == Opcode.SET_CONFIGURATION)]

        # The running instruction. Loops count down from two less than their lengths, so that the sign bit alone tells
        # the last round; `x_again` and `y_again` are what they restart from.
        running, vector, switch, accumulate = (
            Signal(name=name) for name in ("running", "vector", "switch", "accumulate"))
        pc = Signal(PC_BITS, reset_less=True)
        x_left, x_again, y_left, y_again = (
            Signal(signed(15), name=name, reset_less=True) for name in ("x_left", "x_again", "y_left", "y_again"))
        pass0_left, pass1_left = (
            Signal(signed(17), name=name, reset_less=True) for name in ("pass0_left", "pass1_left"))
        x_stride, address, y_address, pass0_address, pass1_address = (
            Signal(ADDRESS_BITS, name=name, reset_less=True)
            for name in ("x_increment", "address", "y_address", "pass0_address", "pass1_address"))
        row_start = Signal(14, reset_less=True)
        row = Signal(15, reset_less=True)

        x_last, y_last, pass0_last, pass1_last, pass_last, last = (
            Signal(name=name) for name in ("x_last", "y_last", "pass0_last", "pass1_last", "pass_last", "last"))
        # Whether a step is made is in a register, for it moves all loops: a request that is made when the one before
        # is not taken waits in `spare`.
        step, spare_valid = Signal(), Signal()
        m.d.comb += [
            x_last.eq(x_left[-1]),
            y_last.eq(y_left[-1]),
            pass0_last.eq(pass0_left[-1]),
            pass1_last.eq(pass1_left[-1]),
            pass_last.eq(x_last & y_last),
            last.eq(pass_last & pass0_last & pass1_last),
            step.eq(running & ~spare_valid),
            take.eq(waiting.kept.valid & (~running | (step & last))),
            self.moving.eq(take | step | (self.issue.valid & self.issue.ready)),
        ]

        next_y, next_pass0, next_pass1 = (
            Signal(ADDRESS_BITS, name=name) for name in ("next_y", "next_pass0", "next_pass1"))
        m.d.comb += [
            next_y.eq(y_address + settings["y_stride"]),
            next_pass0.eq(pass0_address + settings["pass0_stride"]),
            next_pass1.eq(pass1_address + settings["pass1_stride"]),
        ]
        with m.If(step):
            m.d.sync += [x_left.eq(x_left - 1), address.eq(address + x_stride), row.eq(row + 1), switch.eq(0)]
            with m.If(x_last):
                m.d.sync += [x_left.eq(x_again), y_left.eq(y_left - 1), address.eq(next_y), y_address.eq(next_y)]
            with m.If(pass_last):
                m.d.sync += [
                    y_left.eq(y_again), pass0_left.eq(pass0_left - 1), row.eq(row_start),
                    address.eq(next_pass0), y_address.eq(next_pass0), pass0_address.eq(next_pass0),
                    accumulate.eq(1), switch.eq(1),
                ]
            with m.If(pass_last & pass0_last):
                m.d.sync += [
                    pass0_left.eq(settings["pass0_count"] - 2), pass1_left.eq(pass1_left - 1),
                    address.eq(next_pass1), y_address.eq(next_pass1), pass0_address.eq(next_pass1),
                    pass1_address.eq(next_pass1),
                ]
            with m.If(last):
                m.d.sync += running.eq(0)

        # A cycle after `take`, when `ahead` still holds the instruction and none is begun.
        written = Signal()
        m.d.sync += written.eq(take & is_setting)
        with m.If(written):
            for number in (0, 1):
                for register in CONFIG[Unit.MATRIX]:
                    with m.If(setting[f"index{number}"] == register.index):
                        m.d.sync += settings[register.name].eq(setting[f"value{number}"])
        with m.If(take & ~is_setting):
            start = Mux(is_convolve, convolve["ub_address"], multiply["ub_address"])
            acc_address = Mux(is_convolve, convolve["acc_address"], multiply["acc_address"])
            m.d.sync += [
                running.eq(1), pc.eq(ahead.pc),
                *(signal.eq(start) for signal in (address, y_address, pass0_address, pass1_address)),
                row_start.eq(acc_address), row.eq(acc_address),
            ]
            with m.If(is_convolve):
                counts = (convolve["x_count"], convolve["y_count"], settings["pass0_count"], settings["pass1_count"])
                x, y, pass0, pass1 = (count - 2 for count in counts)
                nonempty = Cat(count.any() for count in counts).all()
                m.d.sync += [
                    vector.eq(nonempty), switch.eq(nonempty), accumulate.eq(convolve["accumulate"]),
                    x_stride.eq(settings["x_stride"]), x_left.eq(x), x_again.eq(x), y_left.eq(y), y_again.eq(y),
                    pass0_left.eq(pass0), pass1_left.eq(pass1),
                ]
                with m.If(~nonempty):
                    m.d.sync += [signal.eq(-1) for signal in (x_left, y_left, pass0_left, pass1_left)]
            with m.Else():
                nonempty = multiply["length"].any()
                m.d.sync += [
                    vector.eq(nonempty), switch.eq(nonempty & multiply["switch"]),
                    accumulate.eq(multiply["accumulate"]), x_stride.eq(multiply["stride"]),
                    x_left.eq(multiply["length"] - 2), y_left.eq(-1), pass0_left.eq(-1), pass1_left.eq(-1),
                ]

        fault = Signal(4)
        with m.If(vector & (address > self.config.unified_buffer_bytes - self.config.rows)):
            m.d.comb += fault.eq(Fault.UNIFIED_BUFFER_RANGE)
        with m.Elif(vector & (row >= self.config.accumulator_depth)):
            m.d.comb += fault.eq(Fault.ACCUMULATOR_RANGE)
        made, spare = (Signal(RequestLayout(self.config), name=name, reset_less=True) for name in ("made", "spare"))
        m.d.comb += [
            made.vector.eq(vector), made.switch.eq(switch), made.address.eq(address), made.row.eq(row),
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


class MatrixUnit(Component):
    """Address generator, tile loader, systolic array and accumulators.

    A reset stops it at once; only what has left the control lines for the array or the columns runs out of them.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit : Out(UnitPort())
    buffer : Out(BufferRead(rows))
    weights : In(stream of 8 * cols bits)
        Rows of tiles, bottom row of each tile first; column c in bits 8*c.
    acc_read : In(MemoryRead(14, 32 * cols))
        Port of the activation unit, see `Accumulators`.
    array_active : Out(1)
        A vector is issued.
    useful_macs : Out(1)
        See `UsefulMacs`.
    weight_shift : Out(1)
        A vector waits for its tile and a row of it is taken.
    weight_stall : Out(1)
        A vector waits for its tile and no row arrives.

    Latency
    -------
    `VectorGenerator.LATENCY` cycles from `issue` to the first vector's `array_active`, one more to its `buffer.en`.
    `retire_latency(config)` cycles from the last vector's `array_active` to `retire`. A tile's first row is taken in
    the cycle after the switch to the previous tile at the earliest, its last row in the cycle of its own switch at the
    latest: a tile takes `rows` cycles or as many as it has vectors, whichever is more.
    """

    @staticmethod
    def retire_latency(config):
        """Cycles from `array_active` of an instruction's last vector to its `retire`."""
        return MatrixUnit._control_latency(config) + Accumulators.written(config) - 1

    @staticmethod
    def _control_latency(config):
        """Cycles from `array_active` to the accumulators' control."""
        return _READ_LATENCY + SystolicArray.latency(config) - Accumulators.SUM_DELAY

    def __init__(self, config):
        self.config = config
        super().__init__({
            "unit": Out(UnitPort()),
            "buffer": Out(BufferRead(config.rows)),
            "weights": In(stream.Signature(unsigned(8 * config.cols))),
            "acc_read": In(MemoryRead(14, 32 * config.cols)),
            "array_active": Out(1),
            "useful_macs": Out(1),
            "weight_shift": Out(1),
            "weight_stall": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.generator = generator = VectorGenerator(config)
        m.submodules.array = array = SystolicArray(config)
        m.submodules.accumulators = accumulators = Accumulators(config)
        m.submodules.useful = useful = UsefulMacs(config)
        connect(m, flipped(self.unit.issue), generator.issue)
        connect(m, flipped(self.acc_read), accumulators.read)
        request = generator.request.payload

        # Tile loader: `loaded` once the shadow registers hold a whole tile. That the last row arrives in this very
        # cycle is enough, because it reaches the array before the vector does.
        loaded, row_taken, tile_ready, switching = (
            Signal(name=name) for name in ("loaded", "row_taken", "tile_ready", "switching"))
        row, next_row = Signal(range(config.rows)), Signal(range(config.rows))
        last_row = Signal(init=config.rows == 1)
        m.d.comb += [
            self.weights.ready.eq(~loaded),
            row_taken.eq(self.weights.valid & ~loaded),
            tile_ready.eq(loaded | (row_taken & last_row)),
            next_row.eq(Mux(last_row, 0, row + 1)),
        ]
        with m.If(row_taken):
            m.d.sync += [row.eq(next_row), last_row.eq(next_row == config.rows - 1)]
        m.d.sync += loaded.eq(tile_ready & ~switching)

        # Serving a request: the buffer read, or a fault, after which nothing is served until reset.
        stopped, served, good, vector = (Signal(name=name) for name in ("stopped", "served", "good", "vector"))
        waits = request.switch & ~tile_ready
        m.d.comb += [
            generator.request.ready.eq(~stopped & ~waits),
            served.eq(generator.request.valid & generator.request.ready),
            good.eq(served & (request.fault == Fault.NONE)),
            vector.eq(good & request.vector),
            switching.eq(good & request.switch),
            self.buffer.en.eq(delay(m, "read_line", vector, 1)),
            self.buffer.address.eq(delayed(m, request.address, 1)),
            self.unit.fault.eq(Mux(served, request.fault, Fault.NONE)),
            self.unit.fault_pc.eq(request.pc),
            self.array_active.eq(vector),
            useful.row_taken.eq(row_taken), useful.row.eq(self.weights.payload),
            useful.switching.eq(switching), useful.vector.eq(vector),
            self.useful_macs.eq(useful.full),
            self.weight_shift.eq(generator.request.valid & ~stopped & waits & row_taken),
            self.weight_stall.eq(generator.request.valid & ~stopped & waits & ~row_taken),
        ]
        with m.If(served & ~good):
            m.d.sync += stopped.eq(1)

        # Beside the data: each line as long as the way that the data take. What says whether there are any has a reset.
        control_latency = self._control_latency(config)
        row_line = place(m, "row_line", DelayMemory(len(request.row) + 1, control_latency), platform)
        m.d.comb += [
            row_line.d.eq(Cat(request.row, request.accumulate)),
            Cat(accumulators.control.address, accumulators.control.accumulate).eq(row_line.q),
            accumulators.control.en.eq(delay(m, "vector_line", vector, control_latency)),
            array.activations.eq(self.buffer.data),
            array.switch.eq(delay(m, "switch_line", switching, _READ_LATENCY)),
            array.shift.eq(delay(m, "shift_line", row_taken,
                                 _READ_LATENCY - 1 - SystolicArray.shift_ahead(config))),
            array.weights.eq(
                delay(m, "weight_line", self.weights.payload, _READ_LATENCY - 1, reset_less=True)),
            accumulators.sums.eq(array.sums),
            self.unit.retire.eq(delay(m, "retire_line", good & request.last, self.retire_latency(config))),
        ]

        in_flight = Signal(range(self.retire_latency(config) + 1))
        with m.If(served):
            m.d.sync += in_flight.eq(self.retire_latency(config))
        with m.Elif(in_flight.any()):
            m.d.sync += in_flight.eq(in_flight - 1)
        m.d.comb += self.unit.active.eq(generator.moving | served | row_taken | in_flight.any())
        return m
