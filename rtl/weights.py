"""The weight unit: executes Read_Weights, into the weight FIFO or onto the load bus."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .interfaces import IssueLayout, LoadBus, MemoryRead, UnitPort, field
from .isa import Destination, Fault, Opcode
from .stream_register import StreamRegister
from .tile_fifo import TileFifo
from .weight_memory import WeightMemory

__all__ = ["WeightUnit"]

ADDRESS_BITS = 28
COUNT_BITS = 20


class WeightUnit(wiring.Component):
    """Fetches one row a cycle, or two for the array, while there is room for it.

    Rows are asked for ahead of those that arrive, across instructions. A row for the FIFO is asked for only when a
    place is kept for it, so that arriving rows never wait. Rows that are in range are delivered before a fault.

    Parameters
    ----------
    config : Config
        The FIFO holds `weight_fifo_tiles * rows` rows. With `weight_path_rows` 2, address and count of an instruction
        for the array are even: what is said of a row here goes for two of its.

    Members
    -------
    unit : Out(UnitPort())
        Blocked on a full FIFO is not active.
    tiles : Out(stream of 8 * weight_beat_bytes bits)
        `rows` of the FIFO, see `TileFifo`; column c of a row in its bits 8*c.
    load : Out(LoadBus(config))
    memory : Out(MemoryRead(28, 8 * weight_beat_bytes))
        If `weight_memory` is "sram"; see `WeightMemory`.
    request : Out(stream of 28 bits), response : In(stream of 8 * cols bits)
        If it is "external": rows wanted, and what they hold, in order, after any time; `response` is always ready.
        At most OUTSTANDING rows are wanted at once. A reset must outlast the responses.

    A reset lasts two cycles at least.

    Latency
    -------
    An instruction's first row is asked for 2 cycles after its issue; instructions of two rows or more follow each other
    without a lost cycle, but one for `load` is followed after `BUS_CYCLES` at the earliest. A row from on-chip memory
    is delivered, the last one with `retire`, DELIVERY cycles after it is asked for: to the FIFO in that cycle, to
    `load` in the next. The stores behind `load` must have it when the first instruction that waited for `retire` is
    offered, four cycles after it.
    """

    #: Rows asked for and not yet delivered: one a cycle over a memory latency of as many cycles.
    OUTSTANDING = 256
    #: Instructions whose rows are outstanding.
    INSTRUCTIONS = 8
    DELIVERY = 2 + WeightMemory.LATENCY
    #: Cycles from an instruction for the load bus to the next, at least: `ParameterStore` takes so long for a row.
    BUS_CYCLES = 4

    def __init__(self, config):
        self._config = config
        row = unsigned(8 * config.weight_beat_bytes)
        members = {"unit": Out(UnitPort()), "tiles": Out(stream.Signature(row)), "load": Out(LoadBus(config))}
        if config.weight_memory == "sram":
            members |= {"memory": Out(MemoryRead(ADDRESS_BITS, row.width))}
        else:
            members |= {"request": Out(stream.Signature(unsigned(ADDRESS_BITS))), "response": In(stream.Signature(row))}
        super().__init__(members)

    def _beats(self, destination, count):
        """Cycles in which so many rows are delivered."""
        return count if self._config.weight_path_rows == 1 else Mux(destination == Destination.ARRAY, count >> 1, count)

    def _more(self, address, to_array):
        """Whether the memory holds more than the rows that are asked for at an address."""
        rows = self._config.weight_memory_rows
        if self._config.weight_path_rows == 1:
            return address != rows - 1
        return (address[1:] != rows // 2 - 1) | ~(to_array | address[0])

    def elaborate(self, platform):
        m = Module()
        config = self._config
        path, cols = config.weight_path_rows, config.cols
        places = config.weight_fifo_tiles * config.tile_beats
        # On-chip memory answers before there are many questions: an instruction comes every second cycle at most.
        external = config.weight_memory == "external"
        assert self.DELIVERY // 2 + 2 < self.INSTRUCTIONS
        m.submodules.register = waiting = StreamRegister(IssueLayout())
        wiring.connect(m, wiring.flipped(self.unit.issue), waiting.arriving)
        issue = waiting.kept
        new = {name: field(issue.payload.word, Opcode.READ_WEIGHTS, name)
               for name in ("destination", "slot", "address", "count")}
        # Known when it arrives, for much depends on whether it is taken.
        empty, single = Signal(), Signal()
        with m.If(waiting.arriving.ready):
            count = self._beats(*(field(waiting.arriving.payload.word, Opcode.READ_WEIGHTS, name)
                                  for name in ("destination", "count")))
            m.d.sync += [empty.eq(count == 0), single.eq(count == 1)]
        beats = self._beats(new["destination"], new["count"])

        # What the rows of each instruction are for, on the way from the side that asks to the side that delivers.
        # `single`: it has one row; of others `before_last` is the index of the last but one.
        purpose_layout = data.StructLayout({"destination": 2, "slot": 3, "single": 1, "before_last": COUNT_BITS})
        m.submodules.purposes = purposes = fifo.SyncFIFOBuffered(width=purpose_layout.size, depth=self.INSTRUCTIONS)
        purpose = data.View(purpose_layout, purposes.r_data)
        m.submodules.tile_fifo = tile_fifo = TileFifo(8 * config.weight_beat_bytes, places)
        wiring.connect(m, tile_fifo.rows, wiring.flipped(self.tiles))

        # Asking. `inside`: the address is in range. An instruction without rows waits until it has no predecessor.
        busy, inside, to_array, stopped = (Signal(name=name) for name in ("busy", "inside", "to_array", "stopped"))
        # `left` counts down from two less than the rows, so that its sign bit alone tells the last one.
        address, left = Signal(ADDRESS_BITS), Signal(signed(COUNT_BITS + 1))
        # Places in the FIFO, less one: so that the sign tells that there is none.
        room = Signal(signed((places - 1).bit_length() + 1), init=places - 1)
        outstanding, full = Signal(range(self.OUTSTANDING + 1)), Signal()
        # Ones as long as no instruction follows one for the bus.
        away = Signal(self.BUS_CYCLES - 1)
        wanted, asked, last_asked, idle, accepted, delivered = (Signal(name=name) for name in (
            "wanted", "asked", "last_asked", "idle", "accepted", "delivered"))
        m.d.comb += [
            full.eq(outstanding[-1] if external else 0),  # a power of two
            wanted.eq(busy & inside & (~room[-1] | ~to_array) & ~full),
            last_asked.eq(asked & left[-1]),
            issue.ready.eq(Mux(empty, ~busy & idle,
                               (~busy | last_asked) & (purposes.w_rdy | (not external)) & ~away[0])),
            accepted.eq(issue.valid & issue.ready),
        ]
        # On-chip memory answers so late that what its rows are for may come a cycle later.
        m.d.comb += [port.eq(delayed(m, value, 0 if external else 1)) for port, value in (
            (purposes.w_en, accepted & ~empty),
            (purposes.w_data, Cat(new["destination"], new["slot"], single, (beats - 2)[:COUNT_BITS])))]
        # `idle` is a cycle late: it compares many bits.
        m.d.sync += [away.eq(away >> 1), idle.eq((outstanding == 0) & ~asked)]
        with m.If(accepted & ~empty & (new["destination"] != Destination.ARRAY)):
            m.d.sync += away.eq(-1)
        with m.If(asked):
            step = 1 if path == 1 else Mux(to_array, path, 1)
            m.d.sync += [address.eq(address + step), inside.eq(self._more(address, to_array)),
                         left.eq(left - 1), busy.eq(~last_asked)]
        with m.If(accepted):
            m.d.sync += [address.eq(new["address"]), inside.eq(new["address"] < config.weight_memory_rows),
                         left.eq(beats - 2), busy.eq(~empty),
                         to_array.eq(new["destination"] == Destination.ARRAY)]
        m.d.sync += [room.eq(room - (asked & to_array) + tile_fifo.freed),
                     outstanding.eq(outstanding + asked - delivered)]

        # The memory is large: registers before and behind it.
        row = Signal(len(self.tiles.payload), reset_less=True)
        if not external:
            reading = Signal(WeightMemory.LATENCY)
            m.d.comb += asked.eq(wanted)
            m.d.sync += [self.memory.en.eq(wanted), self.memory.address.eq(address[path - 1:]),
                         Cat(reading, delivered).eq(Cat(self.memory.en, reading)), row.eq(self.memory.data)]
        else:
            m.d.comb += [asked.eq(wanted & self.request.ready), self.request.valid.eq(wanted),
                         self.request.payload.eq(address), self.response.ready.eq(1)]
            m.d.sync += [delivered.eq(self.response.valid), row.eq(self.response.payload)]

        # Delivering.
        index = Signal(COUNT_BITS)
        is_first, is_last, last_delivered = Signal(init=1), Signal(), Signal()
        m.d.comb += last_delivered.eq(delivered & (is_last | (is_first & purpose.single)))
        with m.If(delivered):
            # Whether the next row is the last is known before it comes.
            m.d.sync += [index.eq(Mux(last_delivered, 0, index + 1)), is_first.eq(last_delivered),
                         is_last.eq(~last_delivered & (index == purpose.before_last))]
        m.d.comb += [
            purposes.r_en.eq(last_delivered),
            tile_fifo.write.eq(delivered & (purpose.destination == Destination.ARRAY)),
            tile_fifo.data.eq(row),
            self.unit.retire.eq(last_delivered | (accepted & empty)),
        ]
        # Only who waits for a unit looks at this: a cycle late.
        m.d.sync += self.unit.active.eq(accepted | asked | (outstanding != 0))

        # The bus goes to many memories all over the chip.
        m.d.sync += [
            self.load.valid.eq(delivered & (purpose.destination != Destination.ARRAY)),
            self.load.destination.eq(purpose.destination),
            self.load.slot.eq(purpose.slot),
            self.load.index.eq(index),
            self.load.data.eq(row if path == 1 else row.word_select(delayed(m, address[0], self.DELIVERY), 8 * cols)),
        ]

        # A cycle later, when the register still holds the instruction, and none can have failed before.
        with m.If(delayed(m, accepted, 1)):
            m.d.sync += self.unit.fault_pc.eq(issue.payload.pc)
        fails = busy & ~inside & (outstanding == 0) & ~stopped
        m.d.sync += self.unit.fault.eq(Mux(fails, Fault.WEIGHT_MEMORY_RANGE, Fault.NONE))
        with m.If(fails):
            m.d.sync += stopped.eq(1)
        return m
