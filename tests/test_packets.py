"""The packet format in software, and the receiver in hardware against it."""

import struct
import zlib

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl import packets
from systolith.rtl.config import Config
from systolith.rtl.packet_receiver import PacketReceiver
from systolith.rtl.packets import Kind, Packet, PacketReader, Space, pack

LONGEST = 64


def noisy_stream(seed, count=25):
    """Packets, good and damaged, among garbage with many a false SYNC."""
    rng = np.random.default_rng(seed)
    stream = bytearray()
    for _ in range(count):
        stream += rng.choice([packets.SYNC, 0, 1, 7, 0xFF], rng.integers(0, 8)).astype(np.uint8).tobytes()
        payload = rng.choice([packets.SYNC, 0, 255, 3], rng.choice([0, 1, 2, 9, LONGEST])).astype(np.uint8).tobytes()
        packet = bytearray(pack(int(rng.integers(256)), payload, int(rng.integers(256))))
        if rng.random() < 0.3:
            packet[rng.integers(len(packet))] ^= 1 << rng.integers(8)
        stream += packet
    return bytes(stream) + bytes(LONGEST + 16)


def test_pack_is_the_documented_layout():
    body = bytes([Kind.WRITE, 9, 3, 0]) + b"abc"
    assert pack(Kind.WRITE, b"abc", 9) == b"\x5a" + body + struct.pack("<I", zlib.crc32(body))
    assert len(pack(Kind.ACK)) == packets.OVERHEAD


def test_fields_round_trip():
    values = dict(zip([name for name, _ in packets.STATUS], range(1, len(packets.STATUS) + 1), strict=True))
    payload = packets.pack_fields(packets.STATUS, values)
    assert len(payload) == 4 + 4 * len(packets.COUNTERS) and payload[:4] == b"\x01\x02\x03\x00"
    assert packets.unpack_fields(packets.STATUS, payload) == values


def test_spaces_follow_the_configuration():
    config = Config(rows=3, cols=6, requantise_lanes=2, unified_buffer_bytes=512, weight_memory_rows=40)
    assert [packets.word_bytes(config, space) for space in Space] == [1, 6, 16, 4 * len(packets.COUNTERS)]
    assert [packets.space_words(config, space) for space in Space] == [512, 40, 2048, 128]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reader_skips_garbage_and_reports_damage(size):
    damaged = bytearray(pack(Kind.DATA, b"wrong", 3))
    damaged[-1] ^= 1
    stream = b"xx\x5a\x5a\xff\xff\xff" + pack(Kind.HELLO, b"", 1) + b"\0" + damaged + pack(Kind.READ, b"0123456", 4)
    reader, found = PacketReader(LONGEST), []
    for start in range(0, len(stream), size):
        found += reader.feed(stream[start:start + size])
    assert found == [Packet(Kind.HELLO, 1, b"", True), Packet(Kind.DATA, 3, b"wrong", False),
                     Packet(Kind.READ, 4, b"0123456", True)]


def test_zeros_resynchronise_after_a_truncated_packet():
    reader = PacketReader(LONGEST)
    assert reader.feed(pack(Kind.WRITE, bytes(60))[:20]) == []
    assert [p.good for p in reader.feed(bytes(LONGEST + 16))] == [False]
    assert reader.feed(pack(Kind.HELLO, b"", 2)) == [Packet(Kind.HELLO, 2, b"", True)]


@pytest.mark.parametrize("seed", range(4))
def test_receiver_finds_the_packets_that_the_reader_finds(seed):
    stream = noisy_stream(seed)
    expected = PacketReader(LONGEST).feed(stream)
    assert {packet.good for packet in expected} == {False, True}
    dut = PacketReceiver(Config(packet_bytes=LONGEST))
    rng = np.random.default_rng(seed)
    found = []

    async def send(context):
        for byte in stream:
            while rng.random() < 0.2:
                await context.tick()
            context.set(dut.rx.payload, byte)
            context.set(dut.rx.valid, 1)
            ready = False
            while not ready:
                _, _, ready = await context.tick().sample(dut.rx.ready)
            context.set(dut.rx.valid, 0)

    async def receive(context):
        while len(found) < len(expected):
            await context.tick().until(dut.packet.valid)
            header = context.get(dut.packet.payload)
            # What is not read must not turn up in the next packet.
            wanted = header.length if rng.random() < 0.7 else int(rng.integers(header.length + 1))
            payload = bytearray()
            while len(payload) < wanted:
                context.set(dut.payload.ready, int(rng.random() < 0.8))
                _, _, valid, ready, byte = await context.tick().sample(
                    dut.payload.valid, dut.payload.ready, dut.payload.payload)
                if valid and ready:
                    payload.append(byte)
            context.set(dut.payload.ready, 0)
            context.set(dut.packet.ready, 1)
            await context.tick()
            context.set(dut.packet.ready, 0)
            full = expected[len(found)].payload
            assert (header.length, payload) == (len(full), full[:wanted])
            found.append(Packet(header.kind, header.sequence, full, header.good))

    run_benches(dut, receive, background=[send])
    assert found == expected


def test_receiver_takes_a_byte_a_cycle():
    dut = PacketReceiver(Config(packet_bytes=LONGEST))
    stream = pack(Kind.DATA, bytes(range(60)), 1)
    cycles = {}

    async def bench(context):
        cycle = 0
        context.set(dut.rx.valid, 1)
        for byte in stream:
            context.set(dut.rx.payload, byte)
            while not context.get(dut.rx.ready):
                await context.tick()
                cycle += 1
            await context.tick()
            cycle += 1
        cycles["received"] = cycle
        context.set(dut.rx.valid, 0)
        context.set(dut.payload.ready, 1)
        payload = []
        while len(payload) < 60:
            if context.get(dut.payload.valid):
                payload.append(context.get(dut.payload.payload))
            await context.tick()
            cycle += 1
        cycles["read"] = cycle - cycles["received"]
        assert payload == list(range(60))

    run_benches(dut, bench)
    assert cycles == {"received": len(stream) + 4, "read": 60 + 4}
