"""The model device, packet by packet."""

import struct

import pytest
from systolith.rtl import packets
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Fault, Opcode, Unit
from systolith.rtl.packets import Kind, Reason, Space, State, pack
from systolith.sim.model_device import ModelDevice

CONFIG = Config(rows=3, cols=4, requantise_lanes=2, unified_buffer_bytes=512, weight_memory_rows=64,
                instruction_depth=32, packet_bytes=128, tag_depth=8)


class Link:
    """Sends commands to a device and cuts up what comes back."""

    def __init__(self):
        self.device = ModelDevice(CONFIG)
        self.sequence = self.number = 0

    def send(self, kind, payload=b""):
        """Sends a command; returns (kind, payload) of all packets that come back, its answer first."""
        self.sequence = (self.sequence + 1) % 256
        self.device.write(pack(kind, payload, self.sequence))
        answer, *others = self.received()
        if (kind, answer.kind) == (Kind.RUN, Kind.ACK):
            self.number = 0
        assert [packet.sequence for packet in (answer, *others)] == [
            self.sequence, *range(self.number, self.number + len(others))]
        self.number += len(others)
        return [(packet.kind, packet.payload) for packet in (answer, *others)]

    def received(self):
        reader = packets.PacketReader(CONFIG.packet_bytes)
        found = []
        while data := self.device.read(7):
            found += reader.feed(data)
        assert all(packet.good for packet in found)
        return found

    def program(self, *instructions):
        code = b"".join((*instructions, encode(Opcode.HALT)))
        assert self.send(Kind.WRITE, struct.pack("<BI", Space.INSTRUCTIONS, 3) + code) == [(Kind.ACK, b"")]

    def run(self):
        return self.send(Kind.RUN, struct.pack("<I", 3))


def status(payload):
    return packets.unpack_fields(packets.STATUS, payload)


def test_hello():
    (kind, payload), = Link().send(Kind.HELLO)
    assert kind == Kind.ACK
    assert packets.unpack_fields(packets.INFO, payload) == {
        "magic": b"SYST", "protocol": packets.PROTOCOL, "rows": 3, "cols": 4, "digest": CONFIG.digest()}


def test_memories_are_written_and_read():
    link = Link()
    data = bytes(range(250, 256)) + b"ab"
    assert link.send(Kind.WRITE, struct.pack("<BI", Space.UNIFIED_BUFFER, 504) + data) == [(Kind.ACK, b"")]
    assert link.send(Kind.READ, struct.pack("<BIH", Space.UNIFIED_BUFFER, 505, 7)) == [(Kind.ACK, data[1:])]
    assert link.send(Kind.WRITE, struct.pack("<BI", Space.WEIGHTS, 62) + data) == [(Kind.ACK, b"")]
    assert link.device.model.weights[62:].tobytes() == data


def test_run_stops_with_status_and_tags_can_be_read():
    link = Link()
    link.program(encode(Opcode.READ_WEIGHTS, count=3), encode(Opcode.MATRIX_MULTIPLY, length=6, switch=1),
                 encode(Opcode.INTERRUPT, code=515), encode(Opcode.TAG, unit=Unit.MATRIX, tag=7))
    ack, interrupt, (kind, payload) = link.run()
    assert (ack, interrupt) == ((Kind.ACK, b""), (Kind.INTERRUPT, b"\x03\x02"))
    assert kind == Kind.STOPPED
    assert (status(payload)["state"], status(payload)["fault"], status(payload)["array_active"]) == (State.HALTED, 0, 6)
    assert link.send(Kind.STATUS) == [(Kind.ACK, payload)]
    (_, snapshot), = link.send(Kind.READ, struct.pack("<BIH", Space.TAGS, 7, 1))
    assert struct.unpack(f"<{len(packets.COUNTERS)}I", snapshot)[packets.COUNTERS.index("array_active")] == 6


def test_fault_names_the_instruction():
    link = Link()
    link.program(encode(Opcode.NOP), encode(Opcode.WRITE_HOST_MEMORY, ub_address=512, length=1))
    _, (kind, payload) = link.run()
    assert kind == Kind.STOPPED
    assert status(payload) | {"state": State.FAULTED, "fault": Fault.UNIFIED_BUFFER_RANGE, "fault_address": 4} == \
        status(payload)


def test_host_memory_goes_through_packets():
    link = Link()
    link.program(encode(Opcode.READ_HOST_MEMORY, host_address=0x1000, ub_address=8, length=200),
                 encode(Opcode.WRITE_HOST_MEMORY, host_address=0x2000, ub_address=107, length=101))
    first, second = bytes(range(124)), bytes(range(100, 176))
    assert link.run() == [(Kind.ACK, b""), (Kind.HOST_READ, struct.pack("<IH", 0x1000, 124))]
    assert link.send(Kind.DATA, first) == [(Kind.ACK, b""), (Kind.HOST_READ, struct.pack("<IH", 0x1000 + 124, 76))]
    ack, write, (kind, _) = link.send(Kind.DATA, second)
    assert (ack, kind) == ((Kind.ACK, b""), Kind.STOPPED)
    assert write == (Kind.HOST_WRITE, struct.pack("<I", 0x2000) + first[99:] + second)


def refused(link, kind, payload=b""):
    (answer, reason), = link.send(kind, payload)
    assert answer == Kind.NAK
    return Reason(reason[0])


@pytest.mark.parametrize("kind, payload, reason", [
    (0x55, b"", Reason.KIND), (Kind.ACK, b"", Reason.KIND),
    (Kind.HELLO, b"x", Reason.LENGTH), (Kind.STATUS, b"x", Reason.LENGTH), (Kind.RESET, b"x", Reason.LENGTH),
    (Kind.RUN, b"xyz", Reason.LENGTH), (Kind.READ, b"x", Reason.LENGTH), (Kind.WRITE, b"\0\0\0\0", Reason.LENGTH),
    (Kind.WRITE, struct.pack("<BI5s", Space.WEIGHTS, 0, b"12345"), Reason.LENGTH),
    (Kind.READ, struct.pack("<BIH", Space.UNIFIED_BUFFER, 0, 129), Reason.LENGTH),
    (Kind.READ, struct.pack("<BIH", Space.UNIFIED_BUFFER, 0, 0), Reason.LENGTH),
    (Kind.WRITE, struct.pack("<BI", Space.TAGS, 0), Reason.SPACE),
    (Kind.READ, struct.pack("<BIH", Space.WEIGHTS, 0, 1), Reason.SPACE),
    (Kind.WRITE, struct.pack("<BI8s", Space.WEIGHTS, 63, b"12345678"), Reason.ADDRESS),
    (Kind.READ, struct.pack("<BIH", Space.TAGS, 8, 1), Reason.ADDRESS),
    (Kind.READ, struct.pack("<BIH", Space.UNIFIED_BUFFER, 0xFFFFFFFF, 2), Reason.ADDRESS),
    (Kind.RUN, struct.pack("<I", 32), Reason.ADDRESS),
    (Kind.DATA, b"x", Reason.UNEXPECTED)])
def test_refusals(kind, payload, reason):
    assert refused(Link(), kind, payload) is reason


def test_a_damaged_packet_changes_nothing():
    link = Link()
    packet = bytearray(pack(Kind.WRITE, struct.pack("<BI", Space.UNIFIED_BUFFER, 0) + b"data", 9))
    packet[-6] ^= 1
    link.device.write(packet)
    answer, = link.received()
    assert (answer.kind, answer.sequence, answer.payload) == (Kind.NAK, 9, bytes([Reason.CRC]))
    assert not link.device.model.unified_buffer.any()


def test_while_a_program_runs():
    link = Link()
    link.program(encode(Opcode.READ_HOST_MEMORY, length=4))
    link.run()
    assert refused(link, Kind.WRITE, struct.pack("<BI", Space.UNIFIED_BUFFER, 0)) is Reason.BUSY
    assert refused(link, Kind.READ, struct.pack("<BIH", Space.UNIFIED_BUFFER, 0, 1)) is Reason.BUSY
    assert refused(link, Kind.RUN, struct.pack("<I", 3)) is Reason.BUSY
    assert refused(link, Kind.DATA, b"123") is Reason.LENGTH
    assert status(link.send(Kind.STATUS)[0][1])["state"] == State.RUNNING
    assert link.send(Kind.HELLO)[0][0] == Kind.ACK
    assert link.send(Kind.DATA, b"1234")[1][0] == Kind.STOPPED
    assert link.device.model.unified_buffer[:4].tobytes() == b"1234"
    link.run()
    assert link.send(Kind.RESET) == [(Kind.ACK, b"")]
    assert status(link.send(Kind.STATUS)[0][1])["state"] == State.IDLE
    assert refused(link, Kind.DATA, b"1234") is Reason.UNEXPECTED
