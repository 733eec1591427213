"""Receiver of packets: finds them in the byte stream, buffers the payload and checks the CRC."""

from amaranth.hdl import Cat, Const, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .packets import SYNC
from .serial_crc import SerialCrc

__all__ = ["PacketHeader", "PacketReceiver"]


class PacketHeader(data.StructLayout):
    """What is known of a received packet before its payload is read; `good` tells whether the CRC was right."""
    def __init__(self):
        super().__init__({"kind": 8, "sequence": 8, "length": 16, "good": 1})


class PacketReceiver(wiring.Component):
    """Cuts the incoming bytes into packets exactly as `packets.PacketReader` does.

    A packet is offered only when all of it has come; until it is taken no further bytes are accepted.

    Parameters
    ----------
    config : Config

    Members
    -------
    rx : In(stream of bytes)
    packet : Out(stream of PacketHeader)
        One transfer a packet. Its receiver delays `ready` until it is done with the payload.
    payload : Out(stream of bytes)
        The payload of the offered packet in order. What has not been read when the packet is taken is dropped.

    Latency
    -------
    A byte a cycle (in a compact chip every `SerialCrc.CYCLES`), and 4 such times after the header. The packet is
    offered 3 cycles after its last byte (`SerialCrc.CYCLES + 1` in a compact chip), its payload 2 cycles later.
    """

    def __init__(self, config):
        self._longest, self._serial = config.packet_bytes, config.compact
        super().__init__({"rx": In(stream.Signature(unsigned(8))), "packet": Out(stream.Signature(PacketHeader())),
                          "payload": Out(stream.Signature(unsigned(8)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = SerialCrc() if self._serial else catalog.CRC32_ETHERNET(data_width=8).create()
        # A register before it, but in a small chip.
        crc_ready, registers = (crc.ready, 0) if self._serial else (Const(1, 1), 1)
        covered, covers, begins = Signal(8), Signal(), Signal()
        m.d.comb += [port.eq(delayed(m, value, registers)) for port, value in (
            (crc.data, covered), (crc.valid, covers), (crc.start, begins))]
        # A read never depends on a write in the same cycle, so yosys need not build what defines its result.
        m.submodules.buffer = buffer = Memory(shape=8, depth=self._longest, init=[], attrs={"no_rw_check": 1})
        write, read = buffer.write_port(), buffer.read_port()

        # The last four bytes, so that a SYNC that turns out to be none costs one byte and nothing is scanned twice.
        window = Signal(32)
        length = Signal(16)
        header = self.packet.payload
        # Bytes that follow the next one, less one: negative tells that the next is the last. Of the payload that is
        # offered those to be read, less one: negative tells that there are none.
        left = Signal(signed(1 + (self._longest + 2).bit_length()))
        position = Signal(range(self._longest + 1))
        m.d.comb += [
            length.eq(Cat(window[24:], self.rx.payload)),
            read.addr.eq(position),
        ]
        # What is written is known late and may be far: a register between, but in a small chip.
        store = Signal()
        m.d.comb += [port.eq(delayed(m, value, 0 if self._serial else 1)) for port, value in (
            (write.en, store), (write.addr, position), (write.data, self.rx.payload))]

        # The buffer's output has a register of its own: two elastic stages, `fetched` and `payload`.
        fetched, take_fetched, take_read = Signal(), Signal(), Signal()
        m.d.comb += [
            take_fetched.eq(~self.payload.valid | self.payload.ready),
            take_read.eq(~fetched | take_fetched),
            read.en.eq(take_read),
        ]

        with m.FSM():
            with m.State("HUNT"):
                m.d.comb += [self.rx.ready.eq(1), begins.eq(1)]
                m.d.sync += left.eq(4 - 2)
                with m.If(self.rx.valid):
                    m.d.sync += window.eq(Cat(window[8:], self.rx.payload))
                    with m.If((window[:8] == SYNC) & (length <= self._longest)):
                        m.d.sync += [header.kind.eq(window[8:16]), header.sequence.eq(window[16:24]),
                                     header.length.eq(length), position.eq(0)]
                        m.next = "HEADER"

            with m.State("HEADER"):
                m.d.comb += [covered.eq(window[:8]), covers.eq(1)]
                with m.If(crc_ready):
                    m.d.sync += [window.eq(window[8:]), left.eq(left - 1)]
                    with m.If(left[-1]):
                        m.d.sync += left.eq(header.length + 4 - 2)
                        m.next = "RECEIVE"

            with m.State("RECEIVE"):
                m.d.comb += [self.rx.ready.eq(crc_ready), covered.eq(self.rx.payload), covers.eq(self.rx.valid),
                             store.eq(self.rx.valid & (left > 4 - 2))]
                with m.If(self.rx.valid & crc_ready):
                    m.d.sync += [position.eq(position + 1), left.eq(left - 1)]
                    with m.If(left[-1]):
                        m.next = "CHECK" if self._serial else "SEAL"

            if not self._serial:
                # The last byte is on its way into the CRC.
                with m.State("SEAL"):
                    m.next = "CHECK"

            with m.State("CHECK"):
                m.d.sync += [header.good.eq(crc.match_detected), position.eq(0), left.eq(header.length - 1)]
                with m.If(crc_ready):
                    m.next = "OFFER"

            with m.State("OFFER"):
                m.d.comb += self.packet.valid.eq(1)
                with m.If(take_read):
                    m.d.sync += fetched.eq(~left[-1])
                    with m.If(~left[-1]):
                        m.d.sync += [position.eq(position + 1), left.eq(left - 1)]
                with m.If(take_fetched):
                    m.d.sync += [self.payload.valid.eq(fetched), self.payload.payload.eq(read.data)]
                with m.If(self.packet.ready):
                    m.d.sync += [fetched.eq(0), self.payload.valid.eq(0)]
                    m.next = "HUNT"
        return m
