"""The packets between host and chip: one byte stream each way, whatever carries it.

A packet is ``SYNC kind sequence length(2) payload crc(4)``, little endian; the CRC-32 (IEEE 802.3) covers kind to
payload. Bytes outside a packet are skipped until the next SYNC. The host sends one command at a time and waits for its
answer, ACK or NAK with the command's sequence number. A command with a wrong CRC, kind, length, space or address is
answered by a NAK with the reason and changes nothing. While a program runs the chip also sends packets of its own
accord (HOST_READ, HOST_WRITE, INTERRUPT, STOPPED). It never repeats one; their sequence numbers count them, from 0 at
RUN, modulo 256, so that the host notices a lost one.

Payloads (u8, u16, u32 little endian)
-------------------------------------
HELLO     host, empty. ACK: the `INFO` fields.
WRITE     host, u8 space, u32 address, data: whole words of the space (`word_bytes`). ACK, empty.
          Refused with BUSY while a program runs.
READ      host, u8 space, u32 address, u16 words. ACK: the data. Refused with BUSY while a program runs.
RUN       host, u32 address of the first instruction. ACK, then later STOPPED.
STATUS    host, empty. ACK: the `STATUS` fields. Allowed at any time.
RESET     host, empty. Stops a running program and empties queues and pipelines; memories stay. ACK.
DATA      host, the bytes a HOST_READ asked for. ACK. Refused with UNEXPECTED if none were asked for; if others were,
          with LENGTH, so that an empty one asks whether the program awaits the host.
HOST_READ   chip, u32 host address, u16 length: send me DATA of so many bytes.
HOST_WRITE  chip, u32 host address, data. Not answered.
INTERRUPT   chip, u16 code. Not answered.
STOPPED     chip, the `STATUS` fields: the program halted or failed. Not answered.
"""

import enum
import struct
import zlib
from dataclasses import dataclass

__all__ = ["COUNTERS", "INFO", "MAGIC", "OVERHEAD", "PROTOCOL", "STATUS", "SYNC", "Kind", "Packet", "PacketReader",
           "Reason", "Space", "State", "pack", "pack_fields", "space_words", "unpack_fields", "word_bytes"]

SYNC = 0x5A
OVERHEAD = 9
MAGIC = b"SYST"
PROTOCOL = 2


class Kind(enum.IntEnum):
    """Packet kinds; from 0x80 on the chip sends them."""
    HELLO = 0x01
    WRITE = 0x02
    READ = 0x03
    RUN = 0x04
    STATUS = 0x05
    RESET = 0x06
    DATA = 0x07
    ACK = 0x81
    NAK = 0x82
    HOST_READ = 0x90
    HOST_WRITE = 0x91
    INTERRUPT = 0x92
    STOPPED = 0x93


class Reason(enum.IntEnum):
    """Why a packet was refused: the one payload byte of a NAK."""
    CRC = 1
    KIND = 2
    LENGTH = 3
    SPACE = 4
    ADDRESS = 5
    BUSY = 6
    UNEXPECTED = 7


class Space(enum.IntEnum):
    """Memories that WRITE and READ reach. WRITE: the first three. READ: UNIFIED_BUFFER and TAGS."""
    UNIFIED_BUFFER = 0
    WEIGHTS = 1
    INSTRUCTIONS = 2
    TAGS = 3


class State(enum.IntEnum):
    """What the chip is doing."""
    IDLE = 0
    RUNNING = 1
    HALTED = 2
    FAULTED = 3


#: Counters since Run, 32 bits each, in the order of STATUS and of a tag's snapshot. Rows of TPU v1's Table 3.
COUNTERS = ("cycles", "array_active", "useful_macs", "weight_stall", "weight_shift", "raw_stall", "input_stall",
            "vector_active", "activation_active")

#: (name, struct code) of the payloads.
INFO = (("magic", "4s"), ("protocol", "B"), ("rows", "H"), ("cols", "H"), ("digest", "8s"))
STATUS = (("state", "B"), ("fault", "B"), ("fault_address", "H"), *((name, "I") for name in COUNTERS))


def word_bytes(config, space):
    """Bytes of one address of a space: 1 in the unified buffer, cols for weights, 16 for instructions, a snapshot
    (4 bytes a counter) for tags."""
    return {Space.UNIFIED_BUFFER: 1, Space.WEIGHTS: config.cols, Space.INSTRUCTIONS: 16,
            Space.TAGS: 4 * len(COUNTERS)}[space]


def space_words(config, space):
    """Number of addresses of a space."""
    return {Space.UNIFIED_BUFFER: config.unified_buffer_bytes, Space.WEIGHTS: config.weight_memory_rows,
            Space.INSTRUCTIONS: config.instruction_depth, Space.TAGS: config.tag_depth}[space]


def pack_fields(fields, values):
    """Payload bytes of a mapping by one of the field tables above."""
    return struct.pack("<" + "".join(code for _, code in fields), *(values[name] for name, _ in fields))


def unpack_fields(fields, payload):
    """The inverse of `pack_fields`."""
    return dict(zip((name for name, _ in fields),
                    struct.unpack("<" + "".join(code for _, code in fields), payload), strict=True))


def pack(kind, payload=b"", sequence=0):
    """The bytes of a packet."""
    body = struct.pack("<BBH", kind, sequence, len(payload)) + payload
    return bytes([SYNC]) + body + struct.pack("<I", zlib.crc32(body))


@dataclass(frozen=True)
class Packet:
    """A received packet; `good` tells whether its CRC was right."""
    kind: int
    sequence: int
    payload: bytes
    good: bool


class PacketReader:
    """Cuts a byte stream into packets.

    Parameters
    ----------
    longest : int
        Longest payload that can be right; a longer length field means that the SYNC was none.
    """

    def __init__(self, longest):
        self._longest = longest
        self._data = bytearray()

    def feed(self, data):
        """Takes bytes; returns the list of `Packet` that they complete."""
        self._data += data
        packets = []
        while True:
            start = self._data.find(SYNC)
            if start < 0:
                self._data.clear()
                return packets
            del self._data[:start]
            if len(self._data) < 5:
                return packets
            kind, sequence, length = struct.unpack_from("<BBH", self._data, 1)
            if length > self._longest:
                del self._data[:1]
                continue
            if len(self._data) < OVERHEAD + length:
                return packets
            body = bytes(self._data[1:5 + length])
            crc, = struct.unpack_from("<I", self._data, 5 + length)
            packets.append(Packet(kind, sequence, body[4:], crc == zlib.crc32(body)))
            del self._data[:OVERHEAD + length]
