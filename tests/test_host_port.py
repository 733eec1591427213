"""The host port: packets in, packets and writes out."""


import struct

import numpy as np
import pytest
from host_port_bench import LONGEST, SNAPSHOT, Bench, read, write
from systolith.rtl import packets
from systolith.rtl.isa import Fault, Opcode
from systolith.rtl.packets import Kind, Reason, Space, State, pack


def test_hello_status_run_reset():
    async def script(bench):
        kind, payload = await bench.command(Kind.HELLO)
        assert kind == Kind.ACK
        assert packets.unpack_fields(packets.INFO, payload) == {
            "magic": b"SYST", "protocol": packets.PROTOCOL, "rows": 4, "cols": 3, "digest": bench.config.digest()}
        assert await bench.command(Kind.STATUS) == (Kind.ACK, bench.status_bytes())
        assert await bench.command(Kind.RUN, struct.pack("<I", 15)) == (Kind.ACK, b"")
        bench.set_status(state=State.RUNNING)
        assert await bench.command(Kind.RESET) == (Kind.ACK, b"")
        assert bench.pulses == [("run", 15), "reset"]

    Bench(cols=3, stall=0.3).run(script)


@pytest.mark.parametrize("cols, stall", [(2, 0), (3, 0.4), (4, 0.1), (17, 0.3)])
def test_memories_are_written_and_read(cols, stall):
    async def script(bench):
        rng = bench.rng
        for _ in range(6):
            data = rng.integers(0, 256, rng.integers(1, LONGEST - 4), np.uint8).tobytes()
            address = int(rng.choice([0, 100, 512 - len(data)]))
            assert await bench.command(Kind.WRITE, write(Space.UNIFIED_BUFFER, address, data)) == (Kind.ACK, b"")
            assert bench.buffer[address:address + len(data)] == data
            words = int(rng.choice([1, cols, cols + 1, LONGEST]))
            address = int(rng.integers(512 - words + 1))
            expected = bytes(bench.buffer[address:address + words])
            assert await bench.command(Kind.READ, read(Space.UNIFIED_BUFFER, address, words)) == (Kind.ACK, expected)
        assert await bench.command(Kind.READ, read(Space.UNIFIED_BUFFER, 511, 1)) == (Kind.ACK, bench.buffer[511:])
        assert await bench.command(Kind.READ, read(Space.TAGS, 2, 2)) == (Kind.ACK, bench.tags[2:].tobytes())
        bench.written.clear()
        rows = [rng.integers(0, 256, cols, np.uint8).tobytes() for _ in range((LONGEST - 5) // cols)]
        words = [rng.integers(0, 256, 16, np.uint8).tobytes() for _ in range(3)]
        first = bench.config.weight_memory_rows - len(rows)
        assert await bench.command(Kind.WRITE, write(Space.WEIGHTS, first, b"".join(rows))) == (Kind.ACK, b"")
        assert await bench.command(Kind.WRITE, write(Space.INSTRUCTIONS, 13, b"".join(words))) == (Kind.ACK, b"")
        assert bench.written == [*((Space.WEIGHTS, first + i, row) for i, row in enumerate(rows)),
                                 *((Space.INSTRUCTIONS, 13 + i, word) for i, word in enumerate(words))]

    Bench(cols=cols, stall=stall, seed=cols).run(script)


def test_wrong_commands_are_refused_and_change_nothing():
    ub, weights, code, tags = Space
    cases = [
        (0x33, b"", Reason.KIND), (Kind.ACK, b"", Reason.KIND),
        (Kind.HELLO, b"x", Reason.LENGTH), (Kind.STATUS, b"x", Reason.LENGTH), (Kind.RESET, b"x", Reason.LENGTH),
        (Kind.WRITE, write(ub, 0, b"")[:4], Reason.LENGTH), (Kind.READ, read(ub, 0, 1)[:6], Reason.LENGTH),
        (Kind.READ, read(ub, 0, 1) + b"x", Reason.LENGTH), (Kind.RUN, b"\0" * 3, Reason.LENGTH),
        (Kind.WRITE, write(tags, 0, bytes(SNAPSHOT)), Reason.SPACE), (Kind.WRITE, write(4, 0, b"x"), Reason.SPACE),
        (Kind.READ, read(weights, 0, 1), Reason.SPACE), (Kind.READ, read(255, 0, 1), Reason.SPACE),
        (Kind.WRITE, write(weights, 0, bytes(7)), Reason.LENGTH), (Kind.WRITE, write(code, 0, b"x"), Reason.LENGTH),
        (Kind.WRITE, write(code, 0, bytes(33)), Reason.LENGTH),
        (Kind.READ, read(ub, 0, 0), Reason.LENGTH), (Kind.READ, read(ub, 0, LONGEST + 1), Reason.LENGTH),
        (Kind.READ, read(tags, 0, 3), Reason.LENGTH),
        (Kind.WRITE, write(ub, 512, b"x"), Reason.ADDRESS), (Kind.WRITE, write(ub, 510, b"xyz"), Reason.ADDRESS),
        (Kind.WRITE, write(ub, 0xFFFFFFFF, b"xy"), Reason.ADDRESS),
        (Kind.WRITE, write(weights, 63, bytes(6)), Reason.ADDRESS),
        (Kind.WRITE, write(code, 16, bytes(16)), Reason.ADDRESS),
        (Kind.READ, read(ub, 511, 2), Reason.ADDRESS), (Kind.READ, read(tags, 4, 1), Reason.ADDRESS),
        (Kind.RUN, struct.pack("<I", 16), Reason.ADDRESS), (Kind.RUN, struct.pack("<I", 1 << 16), Reason.ADDRESS),
        (Kind.DATA, b"x", Reason.UNEXPECTED), (Kind.DATA, b"", Reason.UNEXPECTED),
    ]

    async def script(bench):
        for kind, payload, reason in cases:
            await bench.refused(kind, payload, reason)
        bench.set_status(state=State.RUNNING)
        for kind, payload in ((Kind.WRITE, write(ub, 0, b"x")), (Kind.READ, read(ub, 0, 1)), (Kind.RUN, bytes(4))):
            await bench.refused(kind, payload, Reason.BUSY)
        assert (await bench.command(Kind.STATUS))[0] == Kind.ACK
        assert not bench.written and not bench.pulses

    Bench(cols=3).run(script)


def test_damage_and_garbage_do_not_lock_up():
    async def script(bench):
        damaged = bytearray(pack(Kind.WRITE, write(Space.UNIFIED_BUFFER, 0, b"abc"), 77))
        damaged[9] ^= 4
        bench.to_send.extend(b"\0\x5a\x5a\x01\xff\xff" + damaged)
        packet = await bench.next_packet()
        assert (packet.kind, packet.sequence, packet.payload) == (Kind.NAK, 77, bytes([Reason.CRC]))
        truncated = pack(Kind.WRITE, write(Space.UNIFIED_BUFFER, 0, bytes(40)), 78)[:30]
        bench.to_send.extend(truncated)
        await bench.quiet()
        bench.to_send.extend(bytes(LONGEST + 16))
        packet = await bench.next_packet()
        assert (packet.kind, packet.sequence, packet.payload) == (Kind.NAK, 78, bytes([Reason.CRC]))
        for _ in range(20):
            bench.to_send.extend(bench.rng.choice([0x5A, 0, 1, 2, 7], 60).astype(np.uint8).tobytes())
            bench.to_send.extend(bytes(LONGEST + 16))
        while bench.to_send:
            await bench.context.tick()
        await bench.context.tick().repeat(100)
        assert all(packet.kind == Kind.NAK for packet in bench.received)
        bench.received.clear()
        assert (await bench.command(Kind.HELLO))[0] == Kind.ACK
        assert not bench.written and not bench.pulses

    Bench(stall=0.2).run(script)


@pytest.mark.parametrize("cols, stall, length", [
    (4, 0, 120), (3, 0.3, LONGEST - 3), (3, 0.3, LONGEST - 4), (4, 0.5, 1), (4, 0, 0)])
def test_transfers_from_the_host(cols, stall, length):
    async def script(bench):
        data = bench.rng.integers(0, 256, length, np.uint8).tobytes()
        before = bytes(bench.buffer)
        bench.set_status(state=State.RUNNING)
        await bench.issue(Opcode.READ_HOST_MEMORY, host_address=0xFFFFFF00, ub_address=512 - length, length=length)
        for start in range(0, length, LONGEST - 4):
            chunk = data[start:start + LONGEST - 4]
            packet = await bench.next_packet()
            assert (packet.kind, packet.sequence) == (Kind.HOST_READ, start // (LONGEST - 4))
            assert packet.payload == struct.pack("<IH", 0xFFFFFF00 + start, len(chunk))
            await bench.refused(Kind.DATA, chunk + b"x", Reason.LENGTH)
            assert bench.context.get(bench.dut.unit.active) and not bench.pulses
            assert await bench.command(Kind.DATA, chunk) == (Kind.ACK, b"")
        await bench.quiet(20)
        assert bench.pulses == ["retire"] and not bench.context.get(bench.dut.unit.active)
        assert bench.buffer == before[:512 - length] + data
        await bench.refused(Kind.DATA, b"x", Reason.UNEXPECTED)

    Bench(cols=cols, stall=stall, seed=length).run(script)


@pytest.mark.parametrize("cols, stall, length", [
    (4, 0, 120), (3, 0.3, LONGEST - 3), (3, 0.3, LONGEST - 4), (4, 0.5, 1), (4, 0, 0)])
def test_transfers_to_the_host(cols, stall, length):
    async def script(bench):
        bench.set_status(state=State.RUNNING)
        await bench.issue(Opcode.WRITE_HOST_MEMORY, host_address=77, ub_address=512 - length, length=length)
        got = b""
        while len(got) < length:
            packet = await bench.next_packet()
            assert (packet.kind, packet.sequence) == (Kind.HOST_WRITE, len(got) // (LONGEST - 4))
            assert struct.unpack("<I", packet.payload[:4])[0] == 77 + len(got)
            got += packet.payload[4:]
        await bench.quiet(20)
        assert got == bench.buffer[512 - length:]
        assert bench.pulses == ["retire"]

    Bench(cols=cols, stall=stall, seed=length).run(script)


def test_clear_gives_a_transfer_up_but_completes_its_packet():
    async def script(bench):
        bench.set_status(state=State.RUNNING)
        await bench.issue(Opcode.WRITE_HOST_MEMORY, ub_address=3, length=200)
        await bench.context.tick().repeat(20)
        bench.context.set(bench.dut.clear, 1)
        await bench.context.tick()
        bench.context.set(bench.dut.clear, 0)
        bench.set_status(state=State.IDLE)
        packet = await bench.next_packet()
        assert packet.payload[4:] == bench.buffer[3:LONGEST - 1]
        await bench.quiet()
        assert await bench.command(Kind.READ, read(Space.UNIFIED_BUFFER, 9, 5)) == (Kind.ACK, bench.buffer[9:14])
        await bench.issue(Opcode.READ_HOST_MEMORY, length=4)
        assert (await bench.next_packet()).kind == Kind.HOST_READ
        bench.context.set(bench.dut.clear, 1)
        await bench.context.tick()
        bench.context.set(bench.dut.clear, 0)
        await bench.refused(Kind.DATA, b"abcd", Reason.UNEXPECTED)
        assert not bench.written and not bench.pulses

    Bench().run(script)


def test_own_packets_and_answers_do_not_mix():
    async def script(bench):
        context, dut = bench.context, bench.dut
        bench.set_status(state=State.RUNNING)
        await bench.issue(Opcode.WRITE_HOST_MEMORY, ub_address=0, length=180)
        context.set(dut.interrupt.payload, 0xBEEF)
        context.set(dut.interrupt.valid, 1)
        for number in range(4):
            bench.to_send.extend(pack(Kind.HELLO, b"", 10 + number))
        ready = False
        while not ready:
            _, _, ready = await context.tick().sample(dut.interrupt.ready)
        context.set(dut.interrupt.valid, 0)
        while "retire" not in bench.pulses:
            await context.tick()
        bench.set_status(state=State.FAULTED, fault=Fault.DEADLOCK)
        context.set(dut.stopped, 1)
        await context.tick()
        context.set(dut.stopped, 0)
        found = [await bench.next_packet() for _ in range(3 + 1 + 4 + 1)]
        await bench.quiet()
        by_kind = {kind: [p.payload for p in found if p.kind == kind] for kind in {p.kind for p in found}}
        assert b"".join(p[4:] for p in by_kind.pop(Kind.HOST_WRITE)) == bench.buffer[:180]
        assert by_kind.pop(Kind.INTERRUPT) == [b"\xef\xbe"]
        assert by_kind.pop(Kind.STOPPED) == [bench.status_bytes()]
        assert [p.sequence for p in found if p.kind == Kind.ACK] == [10, 11, 12, 13]
        assert set(by_kind) == {Kind.ACK}
        assert [p.sequence for p in found if p.kind != Kind.ACK] == [0, 1, 2, 3, 4]
        bench.set_status(state=State.HALTED)
        assert await bench.command(Kind.RUN, bytes(4)) == (Kind.ACK, b"")
        context.set(dut.stopped, 1)
        await context.tick()
        context.set(dut.stopped, 0)
        assert (await bench.next_packet()).sequence == 0

    Bench(stall=0.2).run(script)


def test_bytes_stream_at_one_a_cycle():
    async def script(bench):
        data = bytes(LONGEST - 5)
        for kind, payload, moved in ((Kind.WRITE, write(Space.UNIFIED_BUFFER, 0, data), 2 * len(data)),
                                     (Kind.READ, read(Space.UNIFIED_BUFFER, 0, LONGEST), LONGEST)):
            start = bench.cycle
            await bench.command(kind, payload)
            assert bench.cycle - start < moved + 70

    Bench(cols=4).run(script)
