"""The cycle model counts what the RTL counts, at Halt and in every tag."""

from collections import deque
from fractions import Fraction
from functools import cache
from math import ceil
from struct import pack

import numpy as np
import pytest
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.tflite import load
from systolith.rtl.assembly import assemble
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.encoding import decode, encode
from systolith.rtl.isa import INSTRUCTION_BYTES, Opcode
from systolith.rtl.packets import COUNTERS, STATUS, Kind, Space, unpack_fields
from systolith.sim.cycles import CycleModel
from systolith.sim.random_program import random_program
from systolith.sim.verilator import VerilatorDevice
from test_depthwise import wide_windows
from test_moves import NETWORKS
from test_top import SMALL, simulate

NANO, PICO, EDGE = (PRESETS[name] for name in ("nano", "pico", "edge"))
ODD = Config(rows=12, cols=10, requantise_lanes=5, accumulator_depth=64, unified_buffer_bytes=8192, weight_fifo_tiles=3,
             weight_memory_rows=2048, queue_depth=2, tag_depth=16, instruction_depth=512, multiplier="dsp")
#: One tile ahead, two rows of weights a cycle, two instructions in a queue, four lanes in two beats.
TIGHT = Config(rows=4, cols=4, requantise_lanes=2, accumulator_depth=32, unified_buffer_bytes=4096, weight_fifo_tiles=1,
               weight_memory_rows=1024, vector_taps=1, vector_requantise_lanes=1, queue_depth=2, tag_depth=8,
               packet_bytes=64, instruction_depth=512, multiplier="winograd", weight_path_rows=2)
#: Cycles for which the simulated chip is clocked, after it has asked for bytes, before the host sees that it has.
PAUSE = 256


@pytest.fixture(scope="module")
def chip():
    """Driver of the simulated chip of a configuration; each is built once."""
    drivers = {}

    def get(config):
        if config not in drivers:
            drivers[config] = Driver(VerilatorDevice(config), config)
        return drivers[config]

    yield get
    for driver in drivers.values():
        driver.close()


def counted(status):
    return {name: status[name] for name in COUNTERS}


@cache
def some_weights(config):
    """Contents of the weight memory in which some tiles are full, some nearly empty."""
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 256, (config.weight_memory_rows, config.cols), np.uint8)
    return weights * (rng.random(weights.shape) < (np.arange(len(weights)) % 64 / 50)[:, None])


#: The weights that a driver's chip holds: to write them takes a hundred times as long as a program.
HELD = {}


def check(driver, code, weights=None, address=0, **arguments):
    """Runs a program on the chip and in the model; of the memories its counters depend on the weights alone."""
    config = driver.config
    weights = some_weights(config) if weights is None else weights
    if HELD.get(driver) is not weights:
        driver.write(Space.WEIGHTS, 0, weights.tobytes())
        HELD[driver] = weights
    driver.write(Space.INSTRUCTIONS, 0, code)
    counters = counted(driver.run(address, bytearray(8192)))
    timing = CycleModel(config, **arguments).predict(code, weights, address)
    assert timing.counters == counters
    tags = driver.tags(config.tag_depth)
    last = dict(timing.snapshots)
    assert {tag: tags[tag] for tag in last} == last
    return timing


PROGRAMS = {
    "nothing": "Halt",
    "dispatch": "Nop\nNop\nInterrupt code=1\nInterrupt code=2\nTag unit=host tag=0\nInterrupt code=3\nHalt",
    "tags": "Activate x_count=9 y_count=3 columns=1\n" + "Tag unit=activation tag=1\n" * 7 + "Nop\nHalt",
    "activation": """
        Activate x_count=3 y_count=2 columns=4
        Activate x_count=0 y_count=2 columns=4
        Set_Configuration unit=activation x_stride=1
        Activate x_count=1 y_count=1 columns=4
        Tag unit=activation tag=0
        Activate x_count=4 y_count=1 columns=4
        Halt""",
    "weights": """
        Read_Weights destination=activation count=9
        Tag unit=weight tag=0
        Read_Weights count=0
        Read_Weights count=8
        Read_Weights destination=table count=1
        Read_Weights count=13
        Tag unit=weight tag=1
        Halt""",
    "short tiles": "Read_Weights count=80\n" + "Matrix_Multiply length=1 switch=1\n" * 10
                   + "Tag unit=matrix tag=0\nTag unit=weight tag=1\nHalt",
    "tiles in pieces": """
        Read_Weights count=11
        Read_Weights count=2 wait0=activation:1
        Read_Weights count=3
        Activate x_count=5 y_count=1 columns=1
        Matrix_Multiply length=9 switch=1
        Tag unit=matrix tag=0
        Matrix_Multiply length=2 switch=1
        Halt""",
    "passes": """
        Set_Configuration unit=matrix pass0_count=3 pass1_count=2
        Read_Weights count=96
        Convolve x_count=2 y_count=3
        Tag unit=matrix tag=0
        Convolve x_count=0 y_count=3
        Set_Configuration unit=matrix pass0_count=1 pass1_count=6
        Convolve x_count=5 y_count=3
        Tag unit=matrix tag=1
        Halt""",
    "matrix without work": "Matrix_Multiply length=0 switch=1\n" * 3 + "Matrix_Multiply length=1\n" * 5
                           + "Set_Configuration unit=matrix x_stride=4\nMatrix_Multiply length=1\nHalt",
    "stalls": """
        Read_Weights count=8
        Matrix_Multiply length=5 switch=1
        Activate x_count=5 y_count=1 columns=8 wait0=matrix:1
        Tag unit=activation tag=0
        Matrix_Multiply length=30
        Matrix_Multiply length=2 wait0=matrix:1 wait1=activation:1
        Synchronise unit=matrix wait0=matrix:3
        Write_Host_Memory
        Tag unit=matrix tag=2
        Matrix_Multiply length=2 wait0=host:1 wait1=matrix:3
        Halt wait0=matrix:2""",
    "vector": """
        Set_Configuration unit=vector x_count=4 tap1_count=1
        Set_Configuration unit=vector tap0_count=6 zero_point=1
        Vector function=sum y_count=2 columns=3 out_address=512
        Tag unit=vector tag=0
        Vector function=sum y_count=0 columns=3 out_address=512
        Set_Configuration unit=vector tap0_count=1 zero_point=2
        Vector function=sum y_count=1 columns=3 out_address=512
        Vector function=sum y_count=1 columns=3 out_address=512
        Set_Configuration unit=vector x_count=1
        Vector function=sum y_count=1 columns=3 out_address=512
        Set_Configuration unit=vector x_count=0
        Vector function=sum y_count=1 columns=3 out_address=512
        Set_Configuration unit=vector x_count=1
        Vector function=sum y_count=1 columns=3 out_address=512
        Tag unit=vector tag=1
        Halt""",
    # What the activation unit waits for comes behind more tiles than fit: only a later instruction makes room.
    "parameters behind tiles": """
        Set_Configuration unit=matrix pass0_count=7 pass1_count=1
        Read_Weights count=56
        Read_Weights destination=activation count=9
        Activate x_count=1 y_count=1 columns=1 wait0=weight:2
        Convolve x_count=1 y_count=1
        Tag unit=activation tag=0
        Halt""",
    "bytes to the host": """
        Write_Host_Memory length=100
        Tag unit=host tag=0
        Write_Host_Memory length=2000
        Halt""",
    "bytes from the host": """
        Read_Host_Memory length=300
        Tag unit=host tag=0
        Read_Host_Memory length=1016
        Write_Host_Memory length=20
        Halt""",
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_equals_the_chip(chip, text):
    check(chip(NANO), assemble(text), host_latency=PAUSE)


def test_starts_at_an_address(chip):
    text = "Halt\nHalt\nRead_Weights count=8\nNop\nMatrix_Multiply length=3 switch=1\nHalt"
    check(chip(NANO), assemble(text), address=2)


def without_host_bytes(code):
    """The program with all its host transfers of length 0: how long a host takes is not in the program."""
    words = []
    for start in range(0, len(code), INSTRUCTION_BYTES):
        word = code[start:start + INSTRUCTION_BYTES]
        row, fields = decode(word)
        if row.opcode in (Opcode.READ_HOST_MEMORY, Opcode.WRITE_HOST_MEMORY):
            word = encode(**{**fields, "opcode": row.opcode, "length": 0})
        words.append(word)
    return b"".join(words)


slow = pytest.mark.slow


@pytest.mark.parametrize("config, seeds", [
    (NANO, 100), (PICO, 25), (TIGHT, 50), pytest.param(ODD, 50, marks=slow), pytest.param(EDGE, 50, marks=slow)],
    ids=["nano", "pico", "4x4 tight", "12x10", "edge"])
def test_equals_the_chip_on_random_programs(chip, config, seeds):
    for seed in range(seeds):
        check(chip(config), without_host_bytes(random_program(config, seed).instructions))


def check_model(driver, path):
    program = compile_graph(load(path), driver.config)
    runs = [step for step in program.steps if step.operator is None]
    for step in runs:
        check(driver, program.instructions[step.code], program.weights[step.weights], step.address)
    return len(runs)


@pytest.mark.parametrize("config", [NANO, PICO], ids=["nano", "pico"])
def test_equals_the_chip_on_digits(chip, digits, config):
    assert check_model(chip(config), digits / "digits.tflite")


def test_equals_the_chip_on_single_operators(chip, shared):
    assert sum(check_model(chip(NANO), path) for path in sorted((shared / "ops").glob("*.tflite"))) > 15


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_chip_on_moves(chip, name, tmp_path):
    network, output, _ = NETWORKS[name]()
    (tmp_path / "network.tflite").write_bytes(network.serialise(output))
    assert check_model(chip(NANO), tmp_path / "network.tflite") == 1


def test_equals_the_chip_on_wide_depthwise_windows(chip, tmp_path):
    (tmp_path / "network.tflite").write_bytes(wide_windows())
    assert check_model(chip(NANO), tmp_path / "network.tflite") == 1


@slow
@pytest.mark.parametrize("name", ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8"])
def test_equals_the_chip_on_models(chip, shared, name):
    assert check_model(chip(EDGE), shared / "models" / f"{name}.tflite")


@pytest.mark.parametrize("bytes_per_cycle, latency, rows, multiplier", [
    (4, 1, 20, "winograd"), (4, 300, 280, "portable"), (Fraction(8, 5), 3, 20, "dsp"),
    (Fraction(12, 7), 40, 20, "portable")],
    ids=["a row a cycle", "more rows than may be wanted at once", "slow", "slow and late"])
def test_equals_a_chip_with_an_external_weight_memory(bytes_per_cycle, latency, rows, multiplier):
    config = Config(**{**SMALL.as_dict(), "weight_memory": "external", "weight_memory_rows": 4096,
                       "multiplier": multiplier})
    text = f"Read_Weights count={rows} destination=activation" + """
        Tag unit=weight tag=0
        Set_Configuration unit=matrix pass0_count=5 pass1_count=1
        Read_Weights count=20
        Convolve x_count=2 y_count=1
        Tag unit=matrix tag=1
    """ + "Read_Weights count=1\n" * 12 + """
        Matrix_Multiply length=12 switch=1
        Matrix_Multiply length=1 switch=1
        Read_Weights count=0
        Tag unit=weight tag=2
        Matrix_Multiply length=1 switch=1
        Halt
    """
    interval = max(Fraction(config.cols) / bytes_per_cycle, 1)
    rng = np.random.default_rng(1)
    memory_rows = rng.integers(1, 256, (rows + 64, config.cols), np.uint8) * (rng.random((rows + 64, 1)) < 0.7)

    async def memory(context, dut):
        """Answers each request after `latency` cycles, or an interval after the one before."""
        context.set(dut.weight_request.ready, 1)
        cycle, row, due = 0, Fraction(0), deque()
        while True:
            context.set(dut.weight_response.valid, bool(due) and due[0][0] == cycle)
            if due and due[0][0] == cycle:
                _, address = due.popleft()
                context.set(dut.weight_response.payload, int.from_bytes(memory_rows[address].tobytes(), "little"))
            if context.get(dut.weight_request.valid):
                row = max(Fraction(cycle + latency), row + interval)
                due.append((ceil(row), context.get(dut.weight_request.payload)))
            await context.tick()
            cycle += 1

    async def testbench(chip):
        await chip.write(Space.INSTRUCTIONS, 0, assemble(text))
        await chip.command(Kind.RUN, pack("<I", 0))
        packet = await chip.packet()
        timing = CycleModel(config, bytes_per_cycle, latency).predict(assemble(text), memory_rows)
        assert timing.counters == counted(unpack_fields(STATUS, packet.payload))
        tags = np.frombuffer(await chip.read(Space.TAGS, 0, 3), "<u4").reshape(3, -1)
        assert [list(counters.values()) for _, counters in timing.snapshots] == tags.tolist()

    simulate(testbench, config, memory)
