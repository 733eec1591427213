"""The matrix unit: executes Matrix_Multiply and Convolve on the systolic array.

`MatrixAddress` turns instructions into one checked request a cycle; `MatrixUnit` serves a request as soon as its tile
is loaded and sends its control beside the data: from the buffer read on everything has a fixed latency.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from .accumulators import Accumulators
from .array import SystolicArray, delay
from .delay import DelayMemory, delayed
from .interfaces import BUFFER_READ_LATENCY, BufferRead, MemoryRead, UnitPort
from .isa import Fault
from .matrix_address import MatrixAddress
from .stamp import place
from .tile_fifo import TileFifo
from .useful_macs import UsefulMacs

__all__ = ["MatrixUnit"]

#: Cycles from a request that is served to its bytes: the buffer is far, hence a register before its own.
_READ_LATENCY = 1 + BUFFER_READ_LATENCY


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
    weights : In(stream of 8 * weight_beat_bytes bits)
        Rows of tiles, bottom row of each tile first, one or two at once; column c of each in its bits 8*c. The payload
        follows by `TileFifo.LATENCY` cycles, see there.
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
    `MatrixAddress.LATENCY` cycles from `issue` to the first vector's `array_active`, one more to its `buffer.en`.
    `retire_latency(config)` cycles from the last vector's `array_active` to `retire`. A tile's first row is taken in
    the cycle after the switch to the previous tile at the earliest, its last row in the cycle of its own switch at the
    latest: a tile takes `tile_beats` cycles or as many as it has vectors, whichever is more.
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
            "weights": In(stream.Signature(unsigned(8 * config.weight_beat_bytes))),
            "acc_read": In(MemoryRead(14, 32 * config.cols)),
            "array_active": Out(1),
            "useful_macs": Out(1),
            "weight_shift": Out(1),
            "weight_stall": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.generator = generator = MatrixAddress(config)
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
        row, next_row = Signal(range(config.tile_beats)), Signal(range(config.tile_beats))
        last_row = Signal(init=config.tile_beats == 1)
        m.d.comb += [
            self.weights.ready.eq(~loaded),
            row_taken.eq(self.weights.valid & ~loaded),
            tile_ready.eq(loaded | (row_taken & last_row)),
            next_row.eq(Mux(last_row, 0, row + 1)),
        ]
        with m.If(row_taken):
            m.d.sync += [row.eq(next_row), last_row.eq(next_row == config.tile_beats - 1)]
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
                delay(m, "weight_line", self.weights.payload, _READ_LATENCY - 1 - TileFifo.LATENCY, reset_less=True)),
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
