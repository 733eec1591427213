"""The whole chip, packets in and packets out, against the golden model: random programs, and programs that fail."""

import struct
from collections import Counter

import cocotb
import numpy as np
from systolith.rtl import encoding, isa
from systolith.rtl.assembly import assemble
from systolith.rtl.isa import Fault
from systolith.rtl.packets import COUNTERS, INFO, MAGIC, STATUS, Kind, Reason, Space, State, unpack_fields, word_bytes
from systolith.sim import coverage
from systolith.sim.cocotb_bus import start
from systolith.sim.cocotb_host import ChipHost, HostMemory
from systolith.sim.cocotb_runner import settings
from systolith.sim.golden import GoldenModel
from systolith.sim.random_program import random_program


class Pair:
    """A chip and its golden model, side by side: same contents, same programs, same results."""

    def __init__(self, dut, pauses=0.0):
        self.told = settings()
        self.config = self.told.config
        self.dut = dut
        self.chip = ChipHost(dut, self.config, np.random.default_rng(self.told.seed), pauses)
        self.model = GoldenModel(self.config)
        self.hits = Counter()

    async def load(self, space, contents, address=0):
        await self.chip.write(space, address, contents)
        words = np.frombuffer(contents, np.uint8).reshape(-1, word_bytes(self.config, space))
        self.model.memory(space)[address:address + len(words)] = words

    async def run(self, program, pc=0, host_memory=b""):
        """Runs instructions on both; returns the chip's status."""
        await self.load(Space.INSTRUCTIONS, program, pc)
        hosts = HostMemory(host_memory), HostMemory(host_memory)
        status = await self.chip.run(pc, hosts[0])
        self.model.run(pc, hosts[1])
        assert (status["state"], status["fault"], status["fault_address"]) == (
            self.model.state, self.model.fault, self.model.fault_pc)
        assert hosts[0].contents == hosts[1].contents
        assert hosts[0].interrupts == hosts[1].interrupts
        return status

    async def compare(self):
        """The whole unified buffer."""
        found = await self.chip.read(Space.UNIFIED_BUFFER, 0, self.config.unified_buffer_bytes)
        np.testing.assert_array_equal(np.frombuffer(found, np.int8), self.model.unified_buffer)

    async def random_program(self, seed, length):
        """Runs a random program on both and compares what it leaves."""
        program = random_program(self.config, seed, length)
        self.hits += coverage.points(self.config, program.instructions)
        await self.load(Space.UNIFIED_BUFFER, program.unified_buffer, program.buffer_address)
        await self.load(Space.WEIGHTS, program.weights)
        status = await self.run(program.instructions, 0, program.host_memory)
        assert status["state"] == State.HALTED, status
        for name in ("array_active", "useful_macs"):
            assert status[name] == self.model.counters[name]
        await self.compare()


async def begin(dut, pauses=0.0):
    """A pair after the reset."""
    await start(dut, settings().inputs)
    return Pair(dut, pauses)


@cocotb.test()
async def tiny_program(dut):
    """Small enough for a slow simulator: a layer of one tile from HELLO to the result."""
    pair = await begin(dut)
    config, chip, rng = pair.config, pair.chip, np.random.default_rng(pair.told.seed)
    info = unpack_fields(INFO, await chip.command(Kind.HELLO))
    assert (info["magic"], info["rows"], info["cols"], info["digest"]) == (
        MAGIC, config.rows, config.cols, config.digest())
    tile = rng.integers(-128, 128, (config.rows, config.cols), np.int8)
    parameters = np.zeros((9, config.cols), np.int8)
    parameters[7], parameters[8] = 0x40, 1 - 8  # multiplier 2**30 in the highest byte
    await pair.load(Space.WEIGHTS, tile.tobytes() + parameters.tobytes())
    await pair.load(Space.UNIFIED_BUFFER, rng.bytes(5 * config.rows))
    before = pair.model.unified_buffer.copy()
    await pair.run(assemble(f"""
        Read_Weights address=0 count={config.rows}
        Read_Weights destination=activation address={config.rows} count=9
        Set_Configuration unit=activation minimum=-128 maximum=127
        Set_Configuration unit=activation x_stride={config.cols}
        Matrix_Multiply length=5 stride={config.rows} switch=1
        Tag unit=matrix tag=0
        Activate ub_address=100 x_count=5 y_count=1 columns={config.cols} wait0=matrix:1 wait1=weight:2
        Halt"""))
    found = await chip.read(Space.UNIFIED_BUFFER, 100, 5 * config.cols)
    assert found == pair.model.unified_buffer[100:100 + 5 * config.cols].tobytes()
    assert not np.array_equal(before, pair.model.unified_buffer)
    tag = dict(zip(COUNTERS, struct.unpack(f"<{len(COUNTERS)}I", await chip.read(Space.TAGS, 0, 1))))
    assert tag["array_active"] == 5


@cocotb.test()
async def random_programs(dut):
    pair = await begin(dut, pauses=0.1)
    for number in range(pair.told.rounds):
        await pair.random_program(pair.told.seed + number, length=150)
    missed = coverage.goals(pair.config) - set(pair.hits)
    assert not missed, missed


def edges(config):
    """Instructions at the very end of a range: (text with one free number, the last one that is legal, fault)."""
    buffer, rows, depth = config.unified_buffer_bytes, config.rows, config.accumulator_depth
    setup = "Set_Configuration unit=vector x_count=1 tap1_count=1\nSet_Configuration unit=vector tap0_count=1\n"
    activate = "Activate x_count=1 y_count=1 columns={cols} acc_address={acc} ub_address={ub}"
    return [
        ("Matrix_Multiply length=1 ub_address={}", buffer - rows, Fault.UNIFIED_BUFFER_RANGE),
        ("Matrix_Multiply length=2 acc_address={}", depth - 2, Fault.ACCUMULATOR_RANGE),
        (activate.format(cols=2, acc=0, ub="{}"), buffer - 2, Fault.UNIFIED_BUFFER_RANGE),
        (activate.format(cols=2, acc="{}", ub=0), depth - 1, Fault.ACCUMULATOR_RANGE),
        ("Read_Weights count=3 destination=activation address={}", config.weight_memory_rows - 3,
         Fault.WEIGHT_MEMORY_RANGE),
        ("Write_Host_Memory length=7 ub_address={}", buffer - 7, Fault.UNIFIED_BUFFER_RANGE),
        (setup + "Vector function=maximum y_count=1 columns=1 in_address={}", buffer - config.cols,
         Fault.UNIFIED_BUFFER_RANGE),
        (setup + "Vector function=maximum y_count=1 columns=3 out_address={}", buffer - 3, Fault.UNIFIED_BUFFER_RANGE),
        ("Tag unit=matrix tag={}", config.tag_depth - 1, Fault.ILLEGAL_INSTRUCTION),
        ("Set_Configuration unit=matrix register{}=1", len(isa.CONFIG[isa.Unit.MATRIX]) - 1, Fault.ILLEGAL_INSTRUCTION),
    ]


@cocotb.test()
async def the_last_legal_address_and_the_next(dut):
    pair = await begin(dut)
    halt = encoding.encode(isa.Opcode.HALT)
    await pair.random_program(pair.told.seed, length=20)  # first contents for all memories
    for text, last, fault in edges(pair.config):
        for number, expected in ((last, Fault.NONE), (last + 1, fault)):
            status = await pair.run(assemble(text.format(number)) + halt, 3, bytes(8))
            assert status["fault"] == expected, (text, number, status)
        await pair.compare()
    await pair.random_program(pair.told.seed + 1, length=40)


@cocotb.test()
async def programs_that_fail(dut):
    """Afterwards the chip answers, and runs a good program right."""
    pair = await begin(dut)
    depth, illegal = pair.config.instruction_depth, Fault.ILLEGAL_INSTRUCTION
    for program, pc, fault in (
            *((bytes([opcode]) + bytes(15), 1, illegal) for opcode in range(max(isa.TABLE) + 1, 32)),
            (assemble("Nop wait0=6:0"), 2, illegal), (assemble("Synchronise unit=7"), 2, illegal),
            (assemble("Activate columns=0"), 2, illegal),
            (assemble(f"Activate columns={pair.config.cols + 1}"), 2, illegal),
            (assemble("Vector function=7 columns=1"), 2, illegal),
            (assemble(f"Read_Weights destination=activation slot={pair.config.parameter_slots}"), 2, illegal),
            (assemble("Nop\nNop"), depth - 2, Fault.PROGRAM_END)):
        status = await pair.run(program, pc)
        assert status["fault"] == fault, (program, status)
        assert unpack_fields(STATUS, await pair.chip.command(Kind.STATUS)) == status
    status = await pair.run(assemble("Nop\nMatrix_Multiply length=1 wait0=weight:1\nHalt"))
    assert status["fault"] == Fault.DEADLOCK
    await pair.random_program(pair.told.seed, length=40)


@cocotb.test()
async def packets_that_are_wrong(dut):
    """Each is refused with its reason and changes nothing, noise between packets neither."""
    pair = await begin(dut, pauses=0.2)
    chip, config, rng = pair.chip, pair.config, np.random.default_rng(pair.told.seed)
    await pair.random_program(pair.told.seed, length=20)
    end = config.unified_buffer_bytes

    def write(space, address, data):
        return struct.pack("<BI", space, address) + data

    def read(space, address, words):
        return struct.pack("<BIH", space, address, words)

    for kind, payload, reason in (
            (0x33, b"", Reason.KIND), (Kind.HELLO, b"x", Reason.LENGTH),
            (Kind.WRITE, write(9, 0, b"x"), Reason.SPACE), (Kind.READ, read(Space.WEIGHTS, 0, 1), Reason.SPACE),
            (Kind.WRITE, write(Space.WEIGHTS, 0, bytes(config.cols + 1)), Reason.LENGTH),
            (Kind.WRITE, write(Space.UNIFIED_BUFFER, end - 1, b"xy"), Reason.ADDRESS),
            (Kind.READ, read(Space.UNIFIED_BUFFER, end, 1), Reason.ADDRESS),
            (Kind.RUN, struct.pack("<I", config.instruction_depth), Reason.ADDRESS),
            (Kind.DATA, b"x", Reason.UNEXPECTED)):
        assert await chip.refused(kind, payload) == reason, (kind, payload)
    for flip in rng.integers(0, 1 << 16, 20):
        assert await chip.refused(Kind.WRITE, write(Space.UNIFIED_BUFFER, 8, rng.bytes(4)), int(flip)) == Reason.CRC
        chip.raw(bytes(rng.integers(0, 0x5A, 3, dtype=np.uint8)))  # no SYNC among them
    await pair.compare()
    await pair.random_program(pair.told.seed + 1, length=40)
