"""The host port among models of the memories that it writes and reads."""


import struct
from collections import deque

import numpy as np
from amaranth.sim import Simulator
from systolith.rtl import encoding, packets
from systolith.rtl.config import Config
from systolith.rtl.host_port import HostPort
from systolith.rtl.isa import Fault
from systolith.rtl.packets import Kind, PacketReader, Space, State, pack

LONGEST = 80
SNAPSHOT = 4 * len(packets.COUNTERS)


def configuration(cols):
    return Config(rows=4, cols=cols, requantise_lanes=1, unified_buffer_bytes=512, weight_memory_rows=64,
                  instruction_depth=16, tag_depth=4, packet_bytes=LONGEST)


class Bench:
    """A HostPort with its surroundings; `stall` is the chance with which each neighbour makes it wait in a cycle."""

    def __init__(self, cols=4, stall=0.0, seed=0):
        self.config = configuration(cols)
        self.dut = HostPort(self.config)
        self.rng = np.random.default_rng(seed)
        self.stall = stall
        self.buffer = bytearray(self.rng.integers(0, 256, self.config.unified_buffer_bytes, np.uint8).tobytes())
        self.tags = self.rng.integers(0, 256, (self.config.tag_depth, SNAPSHOT), np.uint8)
        self.status = [State.IDLE, Fault.NONE, 0x1234, *self.rng.integers(0, 2**32, len(packets.COUNTERS)).tolist()]
        self.written = []
        self.pulses = []
        self.cycle = 0
        self.to_send = deque()
        self.received = []
        self.sequence = 0

    def run(self, script):
        """Runs `script(bench)` on the bench, to its end."""
        async def testbench(context):
            self.context = context
            self.set_status()
            await script(self)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        for process in (self._rx, self._tx, self._buffer_write, self._buffer_read, self._observe):
            simulator.add_testbench(process, background=True)
        simulator.add_process(self._tag_memory)
        simulator.add_testbench(testbench)
        simulator.run()
        return self

    def set_status(self, **values):
        names = [name for name, _ in packets.STATUS]
        for name, value in values.items():
            self.status[names.index(name)] = value
        self.context.set(self.dut.status, dict(zip(self.dut.status.shape().members, self.status, strict=True)))

    def status_bytes(self):
        return packets.pack_fields(packets.STATUS, dict(zip([n for n, _ in packets.STATUS], self.status, strict=True)))

    def goes(self):
        return int(self.rng.random() >= self.stall)

    # Surroundings

    async def _rx(self, context):
        rx = self.dut.rx
        while True:
            context.set(rx.valid, bool(self.to_send) and self.goes())
            context.set(rx.payload, self.to_send[0] if self.to_send else 0)
            _, _, valid, ready = await context.tick().sample(rx.valid, rx.ready)
            if valid and ready:
                self.to_send.popleft()

    async def _tx(self, context):
        tx, reader, before = self.dut.tx, PacketReader(LONGEST), None
        while True:
            context.set(tx.ready, self.goes())
            _, _, valid, ready, byte = await context.tick().sample(tx.valid, tx.ready, tx.payload)
            if before is not None:
                assert (valid, byte) == (1, before), "a byte that was offered has been withdrawn"
            before = byte if valid and not ready else None
            if valid and ready:
                self.received += reader.feed(bytes([byte]))

    async def _buffer_write(self, context):
        port = self.dut.host_write
        while True:
            context.set(port.ready, self.goes())
            _, _, valid, ready, store = await context.tick().sample(port.valid, port.ready, port.payload)
            if valid and ready:
                assert store.address < len(self.buffer)
                self.buffer[store.address] = store.data
                self.written.append((Space.UNIFIED_BUFFER, store.address))

    async def _buffer_read(self, context):
        request, answer = self.dut.host_read, self.dut.host_data
        cols, due = self.config.cols, deque()
        while True:
            context.set(request.ready, len(due) < 4 and self.goes())
            offered = bool(due) and due[0][0] <= self.cycle
            context.set(answer.valid, offered)
            if offered:
                row = self.buffer[due[0][1]:due[0][1] + cols].ljust(cols, b"\xaa")
                context.set(answer.payload, int.from_bytes(row, "little"))
            _, _, valid, ready, address, taken = await context.tick().sample(
                request.valid, request.ready, request.payload, answer.ready)
            if offered and taken:
                due.popleft()
            if valid and ready:
                assert address < len(self.buffer)
                due.append((self.cycle + 3, address))

    async def _tag_memory(self, context):
        tags = self.dut.tags
        async for _, _, en, address in context.tick().sample(tags.en, tags.address):
            # Nothing is to be relied on but the cycle after `en`.
            row = self.tags[address].tobytes() if en and address < len(self.tags) else bytes(SNAPSHOT)
            context.set(tags.data, int.from_bytes(row, "little"))

    async def _observe(self, context):
        dut = self.dut
        while True:
            _, _, weights, row, row_data, instructions, word, word_data, run, address, reset, retire = (
                await context.tick().sample(
                    dut.weights.en, dut.weights.address, dut.weights.data, dut.instructions.en,
                    dut.instructions.address, dut.instructions.data, dut.run, dut.run_address, dut.reset,
                    dut.unit.retire))
            self.cycle += 1
            if weights:
                self.written.append((Space.WEIGHTS, row, row_data.to_bytes(self.config.cols, "little")))
            if instructions:
                self.written.append((Space.INSTRUCTIONS, word, word_data.to_bytes(16, "little")))
            if run:
                self.pulses.append(("run", address))
            if reset:
                self.pulses.append("reset")
            if retire:
                self.pulses.append("retire")

    # What scripts use

    async def next_packet(self):
        for _ in range(4000):
            if self.received:
                packet = self.received.pop(0)
                assert packet.good
                return packet
            await self.context.tick()
        raise AssertionError("no packet came")

    async def command(self, kind, payload=b""):
        """Sends a command; returns (kind, payload) of its answer."""
        self.sequence = (self.sequence + 1) % 256
        self.to_send.extend(pack(kind, payload, self.sequence))
        packet = await self.next_packet()
        assert packet.sequence == self.sequence
        return packet.kind, packet.payload

    async def refused(self, kind, payload, reason):
        assert await self.command(kind, payload) == (Kind.NAK, bytes([reason]))

    async def quiet(self, cycles=300):
        await self.context.tick().repeat(cycles)
        assert not self.received

    async def issue(self, opcode, pc=7, **fields):
        port, context = self.dut.unit.issue, self.context
        context.set(port.payload, {"word": int.from_bytes(encoding.encode(opcode, **fields), "little"), "pc": pc})
        context.set(port.valid, 1)
        ready = False
        while not ready:
            _, _, ready = await context.tick().sample(port.ready)
        context.set(port.valid, 0)


def write(space, address, data):
    return struct.pack("<BI", space, address) + data


def read(space, address, words):
    return struct.pack("<BIH", space, address, words)
