"""The whole chip at 4 x 4, packets in and packets out, in Amaranth's simulator."""

import struct
from collections import deque

import numpy as np
import pytest
from amaranth.sim import Simulator
from systolith.rtl import packets
from systolith.rtl.assembly import assemble
from systolith.rtl.config import Config
from systolith.rtl.isa import Fault
from systolith.rtl.packets import Kind, PacketReader, Reason, Space, State
from systolith.rtl.top import Tpu
from systolith.rtl.verilog import convert
from systolith.sim.arithmetic import requantise
from systolith.sim.golden import GoldenModel
from systolith.sim.random_program import random_program

SMALL = Config(rows=4, cols=4, requantise_lanes=2, accumulator_depth=16, unified_buffer_bytes=256, weight_fifo_tiles=2,
               weight_memory_rows=64, instruction_depth=32, queue_depth=2, tag_depth=4, packet_bytes=64)


class Chip:
    """Host side of a simulated chip: commands, and the packets that it sends of its own accord."""

    def __init__(self, context, dut, config, received):
        self.context, self.dut, self.config, self.received = context, dut, config, received
        self._sequence = 0

    async def packet(self, limit=5000):
        for _ in range(limit):
            if self.received:
                packet = self.received.pop(0)
                assert packet.good
                return packet
            await self.context.tick()
        raise AssertionError("no packet")

    async def send(self, kind, payload=b""):
        self._sequence = (self._sequence + 1) % 256
        rx = self.dut.rx
        for byte in packets.pack(kind, payload, self._sequence):
            self.context.set(rx.payload, byte)
            self.context.set(rx.valid, 1)
            await self.context.tick().until(rx.ready)
        self.context.set(rx.valid, 0)

    async def command(self, kind, payload=b""):
        """The payload of the ACK."""
        await self.send(kind, payload)
        answer = await self.packet()
        assert (answer.kind, answer.sequence) == (Kind.ACK, self._sequence), answer
        return answer.payload

    async def write(self, space, address, words):
        size = packets.word_bytes(self.config, space)
        step = (self.config.packet_bytes - 5) // size
        for start in range(0, len(words) // size, step):
            await self.command(Kind.WRITE, struct.pack("<BI", space, address + start)
                               + words[start * size:(start + step) * size])

    async def read(self, space, address, words):
        step = self.config.packet_bytes // packets.word_bytes(self.config, space)
        parts = []
        for start in range(0, words, step):
            parts.append(await self.command(Kind.READ, struct.pack("<BIH", space, address + start,
                                                                   min(step, words - start))))
        return b"".join(parts)

    async def run(self, text, address=0):
        """Assembles, loads and starts a program."""
        await self.write(Space.INSTRUCTIONS, address, assemble(text))
        await self.command(Kind.RUN, struct.pack("<I", address))

    async def stopped(self):
        """The fields of STOPPED, which must come next."""
        packet = await self.packet()
        assert packet.kind == Kind.STOPPED, packet
        return packets.unpack_fields(packets.STATUS, packet.payload)


def simulate(testbench, config=SMALL, device=None):
    """Runs `testbench(chip)`, beside the process `device(context, dut)` if there is one."""
    dut = Tpu(config)
    received = []

    async def run(context):
        await testbench(Chip(context, dut, config, received))

    async def collect(context):
        reader = PacketReader(config.packet_bytes)
        context.set(dut.tx.ready, 1)
        while True:
            if context.get(dut.tx.valid):
                received.extend(reader.feed(bytes([context.get(dut.tx.payload)])))
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(collect, background=True)
    if device is not None:
        async def beside(context):
            await device(context, dut)
        simulator.add_testbench(beside, background=True)
    simulator.add_testbench(run)
    simulator.run()


def parameter_rows(bias, multiplier, shift):
    """Weight-memory rows of a parameter set, one row a byte plane."""
    planes = [*np.asarray(bias, "<i4").view(np.uint8).reshape(-1, 4).T,
              *np.asarray(multiplier, "<i4").view(np.uint8).reshape(-1, 4).T, np.asarray(shift, np.int8).view(np.uint8)]
    return b"".join(plane.tobytes() for plane in planes)


LAYER = """
Read_Weights destination=array address=0 count=8
Read_Weights destination=activation slot=1 address=8 count=9
Set_Configuration unit=activation x_stride=4 y_stride=0
Set_Configuration unit=activation zero_point=-3 minimum=-100
Set_Configuration unit=activation maximum=100
Matrix_Multiply ub_address=0 acc_address=2 length=5 stride=4 switch=1
Matrix_Multiply ub_address=20 acc_address=2 length=5 stride=4 switch=1 accumulate=1
Tag unit=matrix tag=2
Activate acc_address=2 ub_address=101 x_count=5 y_count=1 slot=1 columns=4 wait0=matrix:2 wait1=weight:2
Tag unit=activation tag=3
Halt
"""


def test_a_layer():
    rng = np.random.default_rng(4)
    tiles = rng.integers(-128, 128, (2, 4, 4), dtype=np.int8)
    tiles[1, :3] = 0
    vectors = rng.integers(-128, 128, (2, 5, 4), dtype=np.int8)
    bias = rng.integers(-20000, 20000, 4)
    multiplier = rng.integers(1 << 30, 1 << 31, 4)
    shift = np.array([-8, -7, -9, -8])
    sums = sum(v.astype(int) @ t.astype(int) for v, t in zip(vectors, tiles)) + bias
    expected = np.clip(requantise(sums, multiplier, shift) - 3, -100, 100).astype(np.int8)

    async def testbench(chip):
        info = packets.unpack_fields(packets.INFO, await chip.command(Kind.HELLO))
        assert (info["magic"], info["rows"], info["cols"], info["digest"]) == (packets.MAGIC, 4, 4, SMALL.digest())
        await chip.write(Space.WEIGHTS, 0, tiles[:, ::-1].tobytes() + parameter_rows(bias, multiplier, shift))
        await chip.write(Space.UNIFIED_BUFFER, 0, vectors.tobytes())
        for _ in range(2):  # the second run starts from reset units and gives the same
            await chip.write(Space.UNIFIED_BUFFER, 100, bytes(22))
            await chip.run(LAYER)
            status = await chip.stopped()
            assert (status["state"], status["fault"], status["fault_address"]) == (State.HALTED, Fault.NONE, 0)
            result = await chip.read(Space.UNIFIED_BUFFER, 100, 22)
            assert result == b"\0" + expected.tobytes() + b"\0"
            assert status == packets.unpack_fields(packets.STATUS, await chip.command(Kind.STATUS))
            check_counters(status, await chip.read(Space.TAGS, 2, 2))

    def check_counters(status, tags):
        useful = 5 * np.count_nonzero(tiles) // SMALL.macs
        assert status["array_active"] == 10 and 0 < useful < 10
        assert status["input_stall"] == status["vector_active"] == 0
        assert 5 * SMALL.beats <= status["activation_active"] < status["cycles"] < 200
        snapshots = np.frombuffer(tags, "<u4").reshape(2, -1)
        matrix, activation = (dict(zip(packets.COUNTERS, values)) for values in snapshots.tolist())
        assert matrix["array_active"] == activation["array_active"] == 10
        assert matrix["useful_macs"] == activation["useful_macs"] == status["useful_macs"] == useful
        assert matrix["cycles"] < activation["cycles"] < status["cycles"]

    simulate(testbench)


def test_transfers_and_interrupts():
    async def testbench(chip):
        await chip.run("""
            Read_Host_Memory host_address=0x1000 ub_address=3 length=70
            Interrupt code=0xBEEF wait0=host:1
            Write_Host_Memory host_address=0x2000 ub_address=13 length=20 wait0=host:1
            Halt""")
        data = bytes(range(70, 140))
        for start, length in ((0, 60), (60, 10)):
            packet = await chip.packet()
            assert (packet.kind, packet.payload) == (Kind.HOST_READ, struct.pack("<IH", 0x1000 + start, length))
            await chip.command(Kind.DATA, data[start:start + length])
        arrived = [await chip.packet() for _ in range(2)]
        assert sorted((packet.kind, packet.payload) for packet in arrived) == [
            (Kind.HOST_WRITE, struct.pack("<I", 0x2000) + data[10:30]), (Kind.INTERRUPT, b"\xef\xbe")]
        assert (await chip.stopped())["state"] == State.HALTED
        assert await chip.read(Space.UNIFIED_BUFFER, 3, 70) == data

    simulate(testbench)


@pytest.mark.parametrize("text, fault, address", [
    ("Nop\nMatrix_Multiply ub_address=253 length=1", Fault.UNIFIED_BUFFER_RANGE, 1),
    ("Matrix_Multiply acc_address=15 length=2", Fault.ACCUMULATOR_RANGE, 0),
    ("Activate acc_address=16 columns=1 x_count=1 y_count=1", Fault.ACCUMULATOR_RANGE, 0),
    ("Activate ub_address=253 columns=4 x_count=1 y_count=1", Fault.UNIFIED_BUFFER_RANGE, 0),
    ("Nop\nNop\nRead_Weights address=63 count=2", Fault.WEIGHT_MEMORY_RANGE, 2),
    ("Read_Host_Memory ub_address=250 length=7", Fault.UNIFIED_BUFFER_RANGE, 0),
    ("Set_Configuration unit=vector x_count=1 tap1_count=1\nSet_Configuration unit=vector tap0_count=1\n"
     "Vector function=maximum in_address=253 y_count=1 columns=1", Fault.UNIFIED_BUFFER_RANGE, 2),
    ("Tag unit=matrix tag=4", Fault.ILLEGAL_INSTRUCTION, 0),
])
def test_faults(text, fault, address):
    async def testbench(chip):
        await chip.run(text + "\nHalt")
        status = await chip.stopped()
        assert (status["state"], status["fault"], status["fault_address"]) == (State.FAULTED, fault, address)
        # The chip still answers, and runs the next program.
        await chip.run("Halt", 20)
        status = await chip.stopped()
        assert (status["state"], status["fault"], status["fault_address"]) == (State.HALTED, Fault.NONE, 0)

    simulate(testbench)


def test_reset_stops_a_program_that_waits():
    async def testbench(chip):
        await chip.run("Synchronise unit=none wait0=matrix:1\nHalt")
        await chip.send(Kind.READ, struct.pack("<BIH", Space.UNIFIED_BUFFER, 0, 1))
        refused = await chip.packet()
        assert (refused.kind, refused.payload) == (Kind.NAK, bytes([Reason.BUSY]))
        assert (await chip.command(Kind.STATUS))[0] == State.RUNNING
        await chip.command(Kind.RESET)
        assert (await chip.command(Kind.STATUS))[0] == State.IDLE
        assert not chip.received

    simulate(testbench)


def test_external_weight_memory():
    config = Config(**{**SMALL.as_dict(), "weight_memory": "external"})
    rng = np.random.default_rng(5)
    tile = rng.integers(-128, 128, (4, 4), dtype=np.int8)
    vector = rng.integers(-128, 128, 4, dtype=np.int8)
    memory = {}

    async def controller(context, dut):
        """Answers each request 200 cycles later: after the next program has started."""
        answers = deque([None] * 200)
        context.set(dut.weight_request.ready, 1)
        while True:
            if context.get(dut.weight_write.en):
                memory[context.get(dut.weight_write.address)] = context.get(dut.weight_write.data)
            requested = context.get(dut.weight_request.valid)
            answers.append(memory.get(context.get(dut.weight_request.payload), 0) if requested else None)
            answer = answers.popleft()
            context.set(dut.weight_response.valid, answer is not None)
            context.set(dut.weight_response.payload, answer or 0)
            await context.tick()
            assert answer is None or context.get(dut.weight_response.ready)

    async def testbench(chip):
        await chip.write(Space.WEIGHTS, 5, tile[::-1].tobytes())
        await chip.write(Space.WEIGHTS, 20, parameter_rows([0] * 4, [1 << 30] * 4, [1 - 8] * 4))
        await chip.write(Space.UNIFIED_BUFFER, 0, vector.tobytes())
        await chip.write(Space.INSTRUCTIONS, 10, assemble("""
            Read_Weights address=5 count=4
            Read_Weights destination=activation address=20 count=9
            Set_Configuration unit=activation minimum=-128 maximum=127
            Matrix_Multiply length=1 switch=1
            Activate ub_address=8 x_count=1 y_count=1 columns=4 wait0=matrix:1 wait1=weight:2
            Halt"""))
        # A program that is given up while its rows are on their way: the next must not take them for its own.
        await chip.run("Read_Weights address=40 count=6\nHalt")
        await chip.command(Kind.RESET)
        await chip.command(Kind.RUN, struct.pack("<I", 10))
        assert (await chip.stopped())["state"] == State.HALTED
        result = np.frombuffer(await chip.read(Space.UNIFIED_BUFFER, 8, 4), np.int8)
        sums = vector.astype(int) @ tile.astype(int)
        assert np.array_equal(result, np.clip(requantise(sums, 1 << 30, 1 - 8), -128, 127))

    simulate(testbench, config, controller)


class Memory:
    """Host memory for both chip and model."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.interrupts = []

    def read(self, address, length):
        return bytes(self.data[address:address + length])

    def write(self, address, data):
        self.data[address:address + len(data)] = data

    def interrupt(self, code):
        self.interrupts.append(code)


# Few, because the simulator is slow at a whole chip: the Verilator tests run many more.
@pytest.mark.parametrize("seed, shape", [
    (0, {}),
    (1, {"rows": 3, "cols": 6, "requantise_lanes": 3, "vector_taps": 2}),
    (2, {"rows": 5, "cols": 4, "requantise_lanes": 1, "vector_taps": 0, "queue_depth": 5}),
    (3, {"rows": 6, "multiplier": "winograd", "weight_path_rows": 2}),
], ids=["4x4", "3x6", "5x4", "6x4 in pairs"])
def test_random_programs(seed, shape):
    config = Config(**{
        **SMALL.as_dict(), "accumulator_depth": 64, "unified_buffer_bytes": 512, "weight_memory_rows": 140,
        "vector_kernel_rows": 3, "instruction_depth": 256, "packet_bytes": 256, **shape})
    program = random_program(config, seed, length=30)
    model, expected, host = GoldenModel(config), Memory(program.host_memory), Memory(program.host_memory)
    start, count = program.buffer_address, len(program.unified_buffer)
    for space, address, contents in ((Space.UNIFIED_BUFFER, start, program.unified_buffer),
                                     (Space.WEIGHTS, 0, program.weights),
                                     (Space.INSTRUCTIONS, 0, program.instructions)):
        words = np.frombuffer(contents, np.uint8).reshape(-1, packets.word_bytes(config, space))
        model.memory(space)[address:address + len(words)] = words
    assert model.run(0, expected)[:2] == (State.HALTED, Fault.NONE)

    async def testbench(chip):
        await chip.write(Space.UNIFIED_BUFFER, start, program.unified_buffer)
        await chip.write(Space.WEIGHTS, 0, program.weights)
        await chip.write(Space.INSTRUCTIONS, 0, program.instructions)
        await chip.command(Kind.RUN, struct.pack("<I", 0))
        while (packet := await chip.packet()).kind != Kind.STOPPED:
            match packet.kind:
                case Kind.HOST_READ:
                    address, length = struct.unpack("<IH", packet.payload)
                    await chip.send(Kind.DATA, host.read(address, length))
                case Kind.HOST_WRITE:
                    host.write(*struct.unpack("<I", packet.payload[:4]), packet.payload[4:])
                case Kind.INTERRUPT:
                    host.interrupt(*struct.unpack("<H", packet.payload))
                case _:
                    assert packet.kind == Kind.ACK
        status = packets.unpack_fields(packets.STATUS, packet.payload)
        assert (status["state"], status["fault"]) == (State.HALTED, Fault.NONE)
        assert status["array_active"] == model.counters["array_active"]
        assert await chip.read(Space.UNIFIED_BUFFER, start, count) == bytes(model.memory(Space.UNIFIED_BUFFER))[
            start:start + count]
        assert host.data == expected.data
        assert host.interrupts == expected.interrupts

    simulate(testbench, config)


def test_converts_to_verilog_with_an_external_weight_memory():
    config = Config(**{**SMALL.as_dict(), "rows": 12, "cols": 10, "requantise_lanes": 5, "unified_buffer_bytes": 4096,
                       "weight_memory": "external"})
    text = convert(Tpu(config), "tpu")
    for port in ("input rx__valid", "output [7:0] tx__payload", "input [79:0] weight_response__payload"):
        assert port in text.replace("wire ", "")
