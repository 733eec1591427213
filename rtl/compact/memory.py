"""The one memory of a compact chip: unified buffer, weights and instructions behind a single port."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..interfaces import BufferWrite
from ..rotate import rotate
from ..stamp import place

__all__ = ["FETCH_SLOTS", "MATRIX_SLOTS", "PERIOD", "READ_LATENCY", "WEIGHT_SLOTS", "WRITE_SLOTS", "CompactBank",
           "CompactMemory", "TimedRead", "in_slot", "write_port"]

#: The port's cycles are dealt out by their number since Run, modulo PERIOD.
PERIOD = 8
MATRIX_SLOTS = (0, 2, 4, 6)
WEIGHT_SLOTS = (1, 5)
WRITE_SLOTS = (3,)
FETCH_SLOTS = (7,)

#: Cycles from a reader's `en` to its data: one to choose the address, one in the memory.
READ_LATENCY = 2


def in_slot(phase, slots):
    """Whether the cycle of that number is one of `slots`."""
    return Cat(phase == slot for slot in slots).any()


def write_port(config):
    """The activation unit's port for writes: as many bytes at once as it makes, a row of outputs or one."""
    return BufferWrite(config.cols if config.requantises_rows else 1)


class TimedRead(wiring.Signature):
    """A reader of the memory (as the reader's port: Out).

    Members
    -------
    slot : In(1), the port is this reader's in this cycle
    en : Out(1), only with `slot`
    address : Out(address_bits)
    data : In(width), READ_LATENCY cycles later
    """
    def __init__(self, address_bits, width):
        super().__init__({"slot": In(1), "en": Out(1), "address": Out(address_bits), "data": In(width)})


class CompactBank(wiring.Component):
    """Two bytes of every `2 * banks`: a memory that either reads or writes, as a single-port RAM block does.

    Parameters
    ----------
    depth : int
        Words of two bytes.

    Members
    -------
    address : In(range(depth))
    write : In(2)
        Which of its bytes is written; if none, the word is read.
    write_data : In(8), read_data : Out(16)
        What is read follows by one cycle.
    """

    def __init__(self, depth):
        self._depth = depth
        super().__init__({"address": In(range(depth)), "write": In(2), "write_data": In(8), "read_data": Out(16)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=data.ArrayLayout(8, 2), depth=self._depth, init=[],
                                                    attrs={"no_rw_check": 1, "single_port": 1})
        write, read = words.write_port(granularity=1), words.read_port()
        m.d.comb += [
            write.addr.eq(self.address), write.data.eq(Cat(self.write_data, self.write_data)), write.en.eq(self.write),
            read.addr.eq(self.address), read.en.eq(self.write == 0), self.read_data.eq(read.data),
        ]
        return m


class CompactMemory(wiring.Component):
    """Bytes in `banks` banks, two neighbouring rows of the banks a word: any run of `cols` bytes is one access.

    Bytes of the unified buffer come first, then the rows of weights, then the instructions (`Config.weight_base`,
    `Config.instruction_base`). Who reads or writes when is fixed by the cycle's number, so that no unit ever waits for
    another; the host takes what is left. Reset does not change what is stored.

    Parameters
    ----------
    config : Config

    Members
    -------
    clear : In(1)
        No program runs. The first cycle after it has the number 0.
    matrix : In(TimedRead(address_bits, 8 * rows))
        `rows` bytes from any address of the buffer.
    weights : In(TimedRead(bits of a row number, 8 * cols))
    fetch : In(TimedRead(bits, 16 * banks))
        An aligned part of an instruction: address in units of 2 * banks bytes.
    write_slot : Out(1)
        The next member may be enabled.
    write : In(write_port(config))
        Bytes of the buffer.
    host_write : In(stream of address and byte), host_read : In(stream of addresses)
        Addresses are those of the whole memory.
    host_data : Out(stream of 8 * cols bits)
        The `cols` bytes from the address of each `host_read`, which waits until the answer before it was taken.

    Latency
    -------
    A read takes READ_LATENCY cycles; what was written is read from the next cycle on.
    """

    def __init__(self, config):
        self._config = config
        bits = config.memory_bits
        super().__init__({
            "clear": In(1),
            "matrix": In(TimedRead(config.address_bits, 8 * config.rows)),
            "weights": In(TimedRead((config.weight_memory_rows - 1).bit_length(), 8 * config.cols)),
            "fetch": In(TimedRead(bits - (2 * config.banks - 1).bit_length(), 16 * config.banks)),
            "write_slot": Out(1), "write": In(write_port(config)),
            "host_write": In(stream.Signature(data.StructLayout({"address": bits, "data": 8}))),
            "host_read": In(stream.Signature(unsigned(bits))),
            "host_data": Out(stream.Signature(unsigned(8 * config.cols))),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        count = config.banks
        offset_bits = (count - 1).bit_length()

        phase = Signal(range(PERIOD))
        m.d.sync += phase.eq(Mux(self.clear, 0, phase + 1))
        m.d.comb += [
            self.matrix.slot.eq(in_slot(phase, MATRIX_SLOTS)), self.weights.slot.eq(in_slot(phase, WEIGHT_SLOTS)),
            self.write_slot.eq(in_slot(phase, WRITE_SLOTS)), self.fetch.slot.eq(in_slot(phase, FETCH_SLOTS)),
        ]

        lanes = len(self.write.data) // 8
        # Whose turn it is. The address of a unit is chosen by the cycle's number alone: `en` comes late.
        address, value, writes = (Signal(width, name=name, reset_less=True) for name, width in (
            ("address", config.memory_bits), ("value", len(self.write.data)), ("writes", lanes)))
        own, taken, asked = Signal(config.memory_bits), Signal(), Signal(READ_LATENCY)
        m.d.comb += taken.eq(self.matrix.en | self.weights.en | self.fetch.en | self.write.en)
        with m.If(self.matrix.slot):
            m.d.comb += own.eq(self.matrix.address)
        with m.Elif(self.weights.slot):
            m.d.comb += own.eq(config.weight_base + (self.weights.address << offset_bits))
        with m.Elif(self.fetch.slot):
            m.d.comb += own.eq(self.fetch.address << (offset_bits + 1))
        with m.Else():
            m.d.comb += own.eq(self.write.address)
        m.d.sync += [
            address.eq(Mux(taken, own, Mux(self.host_write.valid, self.host_write.payload.address,
                                           self.host_read.payload))),
            value.eq(Mux(self.write.en, self.write.data, self.host_write.payload.data)),
            writes.eq(Cat(self.write.en & (i < self.write.count) for i in range(lanes))),
        ]
        with m.If(self.host_write.valid & ~taken):
            m.d.sync += writes.eq(1)
        m.d.comb += [
            self.host_write.ready.eq(~taken),
            self.host_read.ready.eq(~taken & ~self.host_write.valid & ~asked.any() & ~self.host_data.valid),
        ]

        # In banks below the one where an access starts it goes on in the next row. Its low bit chooses the byte.
        offset = address[:offset_bits]
        row, following = Signal(config.memory_bits - offset_bits), Signal(config.memory_bits - offset_bits)
        m.d.comb += [row.eq(address[offset_bits:]), following.eq(row + 1)]
        depth = -(-config.memory_bytes // (2 * count))
        banks = [place(m, f"bank{b}", CompactBank(depth), platform) for b in range(count)]
        if lanes > 1:
            values, written = rotate(m, value, offset, -8), rotate(m, writes, offset, -1)
        else:
            values, written = value.replicate(count), Cat(writes & (offset == b) for b in range(count))
        bytes_ = []
        for b, bank in enumerate(banks):
            own, odd = Signal.like(row, name=f"row{b}"), Signal(name=f"odd{b}")
            half = own[0] if lanes > 1 else row[0]  # one byte is written where the access starts
            m.d.comb += [
                own.eq(Mux(b < offset, following, row)), bank.address.eq(own[1:]),
                bank.write_data.eq(values.word_select(b, 8)), bank.write.eq(Mux(written[b], Cat(~half, half), 0)),
            ]
            m.d.sync += odd.eq(own[0])
            bytes_.append(Mux(odd, bank.read_data[8:], bank.read_data[:8]))

        turn = Signal(offset_bits)
        m.d.sync += turn.eq(offset)
        aligned = Signal(8 * count)
        m.d.comb += aligned.eq(Cat(bytes_))
        aligned = rotate(m, aligned, turn, 8)
        m.d.comb += [
            self.matrix.data.eq(aligned), self.weights.data.eq(aligned),
            self.fetch.data.eq(Cat(bank.read_data[half:half + 8] for half in (0, 8) for bank in banks)),
        ]

        m.d.sync += asked.eq(Cat(self.host_read.valid & self.host_read.ready, asked))
        with m.If(asked[-1]):
            m.d.sync += [self.host_data.valid.eq(1), self.host_data.payload.eq(aligned)]
        with m.Elif(self.host_data.ready):
            m.d.sync += self.host_data.valid.eq(0)
        return m
