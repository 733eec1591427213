"""The host of a simulated chip in a cocotb test bench: packets over its two byte streams."""

import struct

import cocotb
from systolith.rtl.packets import OVERHEAD, STATUS, Kind, PacketReader, pack, unpack_fields, word_bytes

from .cocotb_bus import Sink, Source, cycle

__all__ = ["ChipHost", "HostMemory"]


class HostMemory:
    """What Read_Host_Memory and Write_Host_Memory reach, and the interrupts: for the chip and for the golden model."""

    def __init__(self, contents):
        self.contents = bytearray(contents)
        self.interrupts = []

    def read(self, address, length):
        """Bytes for the chip."""
        return bytes(self.contents[address:address + length])

    def write(self, address, data):
        """Bytes from the chip."""
        self.contents[address:address + len(data)] = data

    def interrupt(self, code):
        """An Interrupt was executed."""
        self.interrupts.append(code)


class ChipHost:
    """Sends commands and takes their answers, with pauses in both byte streams.

    Parameters
    ----------
    dut : handle
        A `systolith.rtl.top.Tpu`.
    config : Config
    rng : numpy Generator
    pauses : float
        Probability of a pause at each byte.
    """

    def __init__(self, dut, config, rng, pauses=0.0):
        self._dut, self._config = dut, config
        self._rx, self._tx = Source(dut, "rx", rng, pauses), Sink(dut, "tx", rng, pauses)
        self._reader = PacketReader(config.packet_bytes)
        self._packets = []
        self._sequence = 0
        cocotb.start_soon(self._rx.run())
        cocotb.start_soon(self._tx.run())

    async def packet(self, limit=100_000):
        """The next packet from the chip.

        Errors
        ------
        AssertionError
            If its CRC is wrong or it does not come within `limit` cycles.
        """
        for _ in range(limit):
            if self._tx.taken:
                self._packets += self._reader.feed(bytes(self._tx.taken))
                self._tx.taken.clear()
            if self._packets:
                packet = self._packets.pop(0)
                assert packet.good, packet
                return packet
            await cycle(self._dut)
        raise AssertionError(f"the chip sent no packet within {limit} cycles")

    def raw(self, data):
        """Sends bytes as they are."""
        self._rx.queue.extend(data)

    def send(self, kind, payload=b"", flip=None):
        """Sends a packet; with `flip` that bit of it, of those behind the length, is wrong."""
        self._sequence = (self._sequence + 1) % 256
        data = bytearray(pack(kind, payload, self._sequence))
        if flip is not None:
            bit = flip % (8 * (len(data) - OVERHEAD + 4))
            data[5 + bit // 8] ^= 1 << (bit % 8)
        self.raw(data)

    async def refused(self, kind, payload=b"", flip=None):
        """Sends a packet that the chip must refuse; returns the reason's number."""
        self.send(kind, payload, flip)
        answer = await self.packet()
        assert (answer.kind, answer.sequence) == (Kind.NAK, self._sequence), answer
        return answer.payload[0]

    async def command(self, kind, payload=b""):
        """Sends a packet that the chip must accept; returns the payload of its answer."""
        self.send(kind, payload)
        answer = await self.packet()
        assert (answer.kind, answer.sequence) == (Kind.ACK, self._sequence), answer
        return answer.payload

    async def write(self, space, address, data):
        """Writes whole words of a space, in as many packets as it takes."""
        size = word_bytes(self._config, space)
        step = (self._config.packet_bytes - 5) // size
        for start in range(0, len(data) // size, step):
            words = data[start * size:(start + step) * size]
            await self.command(Kind.WRITE, struct.pack("<BI", space, address + start) + words)

    async def read(self, space, address, words):
        """Bytes of so many words of a space."""
        step = self._config.packet_bytes // word_bytes(self._config, space)
        parts = [await self.command(Kind.READ, struct.pack("<BIH", space, address + start, min(step, words - start)))
                 for start in range(0, words, step)]
        return b"".join(parts)

    async def run(self, address=0, memory=None):
        """Runs a program to its end, serving its requests from `memory`.

        Returns
        -------
        dict of int
            The fields of STOPPED.
        """
        await self.command(Kind.RUN, struct.pack("<I", address))
        number = 0
        while (packet := await self.packet()).kind != Kind.STOPPED:
            if packet.kind != Kind.ACK:
                assert packet.sequence == number % 256, packet
                number += 1
            match packet.kind:
                case Kind.HOST_READ:
                    self.send(Kind.DATA, memory.read(*struct.unpack("<IH", packet.payload)))
                case Kind.HOST_WRITE:
                    memory.write(*struct.unpack_from("<I", packet.payload), packet.payload[4:])
                case Kind.INTERRUPT:
                    memory.interrupt(*struct.unpack("<H", packet.payload))
                case _:  # the answer to DATA
                    assert (packet.kind, packet.sequence) == (Kind.ACK, self._sequence), packet
        assert packet.sequence == number % 256, packet
        return unpack_fields(STATUS, packet.payload)
