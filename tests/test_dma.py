"""The host unit alone, with the rest of the host port played by the test."""

import pytest
from amaranth.hdl import ResetInserter, Signal
from benches import run_benches
from systolith.rtl import encoding
from systolith.rtl.config import Config
from systolith.rtl.dma import Dma
from systolith.rtl.isa import Fault, Opcode
from systolith.rtl.packet_transmitter import Content
from systolith.rtl.packets import Kind

CONFIG = Config(rows=4, cols=3, requantise_lanes=1, unified_buffer_bytes=512, packet_bytes=64)


def run(script):
    dut, clear = Dma(CONFIG), Signal()

    async def testbench(context):
        await script(context, dut, clear)

    run_benches(ResetInserter(clear)(dut), testbench)


async def issue(context, dut, opcode, **fields):
    assert context.get(dut.unit.issue.ready)
    word = int.from_bytes(encoding.encode(opcode, **fields), "little")
    context.set(dut.unit.issue.payload, {"word": word, "pc": 0x321})
    context.set(dut.unit.issue.valid, 1)
    await context.tick()
    context.set(dut.unit.issue.valid, 0)


async def wait_for(context, dut, signal, limit=8):
    """Waits for `signal`; until then the unit is active and does nothing that the sequencer sees."""
    for _ in range(limit):
        if context.get(signal):
            return
        assert context.get(dut.unit.active) and not context.get(dut.unit.retire) and not context.get(dut.unit.fault)
        await context.tick()
    raise AssertionError(f"{signal} did not come")


async def pulse(context, signal):
    context.set(signal, 1)
    await context.tick()
    context.set(signal, 0)


async def take_packet(context, dut):
    await wait_for(context, dut, dut.packet.valid)
    request = context.get(dut.packet.payload)
    await pulse(context, dut.packet.ready)
    return request


@pytest.mark.parametrize("length", [1, 59, 60, 61, 150])
@pytest.mark.parametrize("opcode", [Opcode.READ_HOST_MEMORY, Opcode.WRITE_HOST_MEMORY])
def test_chunks(opcode, length):
    async def script(context, dut, clear):
        reads = opcode is Opcode.READ_HOST_MEMORY
        await issue(context, dut, opcode, host_address=0xFFFFFFF0, ub_address=512 - length, length=length)
        for start in range(0, length, 60):
            size, host = min(60, length - start), (0xFFFFFFF0 + start) % 2**32
            request = await take_packet(context, dut)
            assert request.sequence == 0
            if reads:
                assert (request.kind, request.number, request.number_bytes, request.content) == (
                    Kind.HOST_READ, host | size << 32, 6, Content.NONE)
                assert (context.get(dut.expected), context.get(dut.address)) == (size, 512 - length + start)
            else:
                assert (request.kind, request.number, request.number_bytes, request.content) == (
                    Kind.HOST_WRITE, host, 4, Content.BUFFER)
                assert (request.count, request.address) == (size, 512 - length + start)
                assert context.get(dut.expected) == 0
            # Only its own end counts, however long it takes.
            await pulse(context, dut.sent if reads else dut.stored)
            for _ in range(10):
                assert context.get(dut.unit.active) and not context.get(dut.packet.valid)
                await context.tick()
            await pulse(context, dut.stored if reads else dut.sent)
            assert context.get(dut.expected) == 0
        await wait_for(context, dut, dut.unit.retire)
        await context.tick()
        assert not context.get(dut.unit.retire) and not context.get(dut.unit.active)

    run(script)


@pytest.mark.parametrize("opcode", [Opcode.READ_HOST_MEMORY, Opcode.WRITE_HOST_MEMORY])
def test_nothing_to_move_retires_wherever_it_points(opcode):
    async def script(context, dut, clear):
        for _ in range(2):
            await issue(context, dut, opcode, ub_address=2**26 - 1, length=0)
            await wait_for(context, dut, dut.unit.retire)
            assert not context.get(dut.packet.valid)
            await context.tick()

    run(script)


@pytest.mark.parametrize("address, length", [(512, 1), (500, 13), (0, 513), (2**26 - 1, 1), (2**26 - 1, 2**24 - 1)])
@pytest.mark.parametrize("opcode", [Opcode.READ_HOST_MEMORY, Opcode.WRITE_HOST_MEMORY])
def test_range_is_checked_before_anything_moves(opcode, address, length):
    async def script(context, dut, clear):
        await issue(context, dut, opcode, ub_address=address, length=length)
        await wait_for(context, dut, dut.unit.fault)
        assert (context.get(dut.unit.fault), context.get(dut.unit.fault_pc)) == (Fault.UNIFIED_BUFFER_RANGE, 0x321)
        await context.tick()
        for _ in range(5):
            assert not context.get(dut.unit.fault) and not context.get(dut.unit.issue.ready)
            assert not context.get(dut.unit.active) and not context.get(dut.packet.valid)
            await context.tick()
        await pulse(context, clear)
        assert context.get(dut.unit.issue.ready)

    run(script)


def test_clear_forgets_a_transfer():
    async def script(context, dut, clear):
        await issue(context, dut, Opcode.READ_HOST_MEMORY, length=100)
        await take_packet(context, dut)
        await pulse(context, clear)
        assert not context.get(dut.unit.active) and not context.get(dut.expected)
        await issue(context, dut, Opcode.WRITE_HOST_MEMORY, length=5)
        assert (await take_packet(context, dut)).count == 5

    run(script)
