"""The unified buffer: bytes in banks, so that any run of consecutive ones is one access."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ADDRESS_BITS
from .delay import delayed
from .interfaces import BUFFER_READ_LATENCY, BufferRead, BufferWrite, MemoryWrite
from .one_hot import one_hot
from .rotate import rotate
from .stamp import place

__all__ = ["BufferBank", "UnifiedBuffer"]


class BufferBank(wiring.Component):
    """Every n-th byte of the buffer: a memory with one write and two read ports.

    Parameters
    ----------
    depth : int
        Bytes.

    Members
    -------
    write : In(MemoryWrite(bits of an address, 8))
    matrix, vector : In(address and data)
        Read in each cycle: an enable would have to get to all banks.
    """

    def __init__(self, depth):
        self._depth = depth
        address_bits = (depth - 1).bit_length()
        read = wiring.Signature({"address": Out(address_bits), "data": In(8)})
        super().__init__({"write": In(MemoryWrite(address_bits, 8)), "matrix": In(read), "vector": In(read)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._depth

    def elaborate(self, platform):
        m = Module()
        # Nobody relies on what a read finds of a write in the same cycle; without the attribute yosys would build the
        # comparators and bypasses that define it.
        m.submodules.memory = cells = memory.Memory(shape=8, depth=self._depth, init=[], attrs={"no_rw_check": 1})
        write = cells.write_port()
        m.d.comb += [write.en.eq(self.write.en), write.addr.eq(self.write.address), write.data.eq(self.write.data)]
        for own in (self.matrix, self.vector):
            read = cells.read_port()
            m.d.comb += [read.en.eq(1), read.addr.eq(own.address), own.data.eq(read.data)]
        return m


class UnifiedBuffer(wiring.Component):
    """`unified_buffer_bytes` bytes in `banks` banks, byte a in bank a modulo `banks`, behind rotators.

    Reset does not change what is stored.

    Parameters
    ----------
    config : Config

    Members
    -------
    matrix_read : In(BufferRead(rows))
    vector_read : In(BufferRead(cols))
    host_read : In(stream of byte addresses), host_data : Out(stream of 8 * cols bits)
        The `cols` bytes from that address (those behind the end of the buffer are arbitrary), one answer a request.
        A request waits for a cycle without `vector_read.en` and until the answer before it was taken.
    activation_write : In(BufferWrite(cols))
    vector_write : In(BufferWrite(cols))
    host_write : In(stream of address and data), one byte, in range
        Writes in this order of priority; the vector unit's is at most a cycle late, the host's waits. Of those in a
        cycle the host's goes first.

    Latency
    -------
    Reads take BUFFER_READ_LATENCY cycles, one a cycle. A write is visible to a read that comes a cycle later, the
    vector unit's to one that comes two cycles later; what earlier reads find of it is arbitrary. What comes from the
    units and goes to them passes a register, for they lie far apart.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "matrix_read": In(BufferRead(config.rows)), "vector_read": In(BufferRead(config.cols)),
            "activation_write": In(BufferWrite(config.cols)), "vector_write": In(BufferWrite(config.cols)),
            "host_write": In(stream.Signature(data.StructLayout({"address": ADDRESS_BITS, "data": 8}))),
            "host_read": In(stream.Signature(unsigned(ADDRESS_BITS))),
            "host_data": Out(stream.Signature(unsigned(8 * config.cols))),
        })

    def elaborate(self, platform):
        m = Module()
        depth = self._config.unified_buffer_bytes // self._config.banks
        banks = [place(m, f"bank{b}", BufferBank(depth), platform) for b in range(self._config.banks)]
        self._write(m, [bank.write for bank in banks])

        self._read(m, [bank.matrix for bank in banks], self.matrix_read.address, self.matrix_read.data)

        # The vector unit's port serves the host when it is free, one request at a time.
        accepted, in_flight = Signal(), Signal(BUFFER_READ_LATENCY)
        m.d.comb += [
            self.host_read.ready.eq(~self.vector_read.en & ~in_flight.any() & ~self.host_data.valid),
            accepted.eq(self.host_read.valid & self.host_read.ready),
        ]
        m.d.sync += in_flight.eq(Cat(accepted, in_flight))
        with m.If(in_flight[-1]):
            m.d.sync += [self.host_data.valid.eq(1), self.host_data.payload.eq(self.vector_read.data)]
        with m.Elif(self.host_data.ready):
            m.d.sync += self.host_data.valid.eq(0)
        ports, address = [bank.vector for bank in banks], Signal(ADDRESS_BITS)
        m.d.comb += address.eq(Mux(self.vector_read.en, self.vector_read.address, self.host_read.payload))
        self._read(m, ports, address, self.vector_read.data)
        return m

    def _write(self, m, ports):
        """Chooses a write, and in the next cycle spreads it over the banks."""
        cols = self._config.cols
        layout = data.StructLayout({"address": ADDRESS_BITS, "lanes": 8 * cols, "enables": cols})

        def arriving(write):
            return Cat(write.address, write.data, *(i < write.count for i in range(cols)))

        # The activation unit leaves the cycle after its write free: there goes the write of the vector unit that it
        # held up. Who writes is found out a cycle ahead, one bit each.
        vector_en, by_activation, by_held, by_vector, by_host = (
            Signal(name=name) for name in ("vector_en", "by_activation", "by_held", "by_vector", "by_host"))
        activation, vector, held, host, chosen = (
            Signal(layout, name=name) for name in ("activation", "vector", "held", "host", "chosen"))
        holds = vector_en & by_activation
        m.d.sync += [
            activation.eq(arriving(self.activation_write)), vector.eq(arriving(self.vector_write)), held.eq(vector),
            vector_en.eq(self.vector_write.en), by_activation.eq(self.activation_write.en),
            by_held.eq(~self.activation_write.en & holds),
            by_vector.eq(~self.activation_write.en & ~holds & self.vector_write.en),
            by_host.eq(~self.activation_write.en & ~holds & ~self.vector_write.en),
        ]
        m.d.comb += [
            self.host_write.ready.eq(by_host),
            host.eq(Cat(self.host_write.payload.address, self.host_write.payload.data.replicate(cols),
                        self.host_write.valid)),
        ]
        m.d.comb += chosen.eq(one_hot((by_activation, by_held, by_vector, by_host),
                                      (write.as_value() for write in (activation, held, vector, host))))
        address, lanes = chosen.address, chosen.lanes

        offset = delayed(m, address[:self._offset_bits], 1)
        bytes_, enables = (Signal(width * len(ports), name=name, reset_less=True)
                           for name, width in (("bytes", 8), ("enables", 1)))
        m.d.sync += [bytes_.eq(lanes), enables.eq(chosen.enables)]
        bytes_ = delayed(m, rotate(m, bytes_, offset, -8), 1)
        enables = delayed(m, rotate(m, enables, offset, -1), 1)
        self._address(m, ports, address)
        for b, port in enumerate(ports):
            m.d.comb += [port.en.eq(enables[b]), port.data.eq(bytes_.word_select(b, 8))]

    def _read(self, m, ports, address, result):
        """Connects a read port: addresses, memories and rotator, with registers around them."""
        address = delayed(m, address, 1)
        self._address(m, ports, address)
        fetched = Signal(8 * len(ports))
        m.d.comb += fetched.eq(Cat(port.data for port in ports))
        # A register directly behind the memories, because block RAM is slow; one within the rotator, which lies between
        # them and the units; and one behind it.
        fine = self._offset_bits // 2
        offset = delayed(m, address[:self._offset_bits], 4)
        coarse = delayed(m, rotate(m, delayed(m, fetched, 1), offset[fine:], 8 << fine), 1)
        m.d.comb += result.eq(delayed(m, rotate(m, coarse, delayed(m, offset[:fine], 1), 8), 1))

    def _address(self, m, ports, address):
        """The rows of an access, two cycles later: in banks below the one where it starts it goes on in the next row.

        The second register is the bank's own, because block RAMs lie far apart.
        """
        row = delayed(m, address[self._offset_bits:], 1)
        following = delayed(m, address[self._offset_bits:] + 1, 1)
        wrapped = delayed(m, Cat(b < address[:self._offset_bits] for b in range(len(ports))), 1)
        for b, port in enumerate(ports):
            m.d.comb += port.address.eq(delayed(m, Mux(wrapped[b], following, row), 1))

    @property
    def _offset_bits(self):
        return (self._config.banks - 1).bit_length()
