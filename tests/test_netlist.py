"""Synthesised netlists in models of the vendors' cells: a whole board over its serial pins, and arrays."""

import numpy as np
import pytest
from serial_chip import SerialBoard
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.inputs import random_inputs
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.rtl.array import SystolicArray
from systolith.rtl.config import Config
from systolith.rtl.packets import COUNTERS, Space
from systolith.rtl.uart import DEFAULT_BAUD
from systolith.rtl.verilog import convert
from systolith.sim.cocotb_runner import run_bench
from systolith.sim.cycle_device import CycleDevice
from systolith.sim.cycles import CycleModel
from systolith.sim.golden import GoldenModel
from systolith.sim.random_program import random_program
from systolith.sim.verilator import TOP, VerilatorDevice, build
from systolith.synth import top
from systolith.synth.boards import BOARDS
from systolith.synth.cells import CELLS
from vendor import netlist

pytestmark = pytest.mark.fpga

BOARD = BOARDS["icebreaker"]

# Arrays are no chips: without pads.
OPTIONS = {"gowin": "-noiopads"}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """To the netlist that `systolith build icebreaker` routes, over its serial pins at its baud."""
    design = top.prepare(BOARD, BOARD.config, BOARD.freq, DEFAULT_BAUD)
    text = netlist(design.chip, top.TOP, BOARD.part, tmp_path_factory.mktemp("netlist"), rtlil=design.top)
    line = convert(SerialBoard(1e6 * design.clock / DEFAULT_BAUD), TOP)
    # It gives up soon, as the first bytes are lost while the clock becomes stable.
    device = VerilatorDevice(BOARD.config, build("\n".join((text, line))), timeout=100_000)
    return Driver(device, BOARD.config)


def test_an_inference_is_the_models_in_the_models_cycles(driver, digits):
    graph = load(digits / "digits.tflite")
    program = compile_graph(graph, BOARD.config)
    values, = random_inputs(graph, 1, seed=1)
    results = []
    for device in driver, Driver(CycleDevice(BOARD.config), BOARD.config):
        session = Session(device)
        session.load(program)
        results.append(session.infer(values))
    board, due = results
    for tensor, array in due.outputs.items():
        assert np.array_equal(board.outputs[tensor], array)
    assert board.counters == due.counters and board.layer_cycles == due.layer_cycles


def test_a_random_program_leaves_what_the_golden_model_leaves(driver):
    program, golden = random_program(BOARD.config, 1), GoldenModel(BOARD.config)
    for space, address, data in ((Space.UNIFIED_BUFFER, program.buffer_address, program.unified_buffer),
                                 (Space.WEIGHTS, 0, program.weights), (Space.INSTRUCTIONS, 0, program.instructions)):
        driver.write(space, address, data)
        golden.memory(space).reshape(-1)[address:address + len(data)] = np.frombuffer(data, np.uint8)
    for _ in golden.steps(0):
        pass  # an Interrupt, of which nobody takes notice
    status = driver.run(0)
    assert {name: status[name] for name in COUNTERS} == CycleModel(BOARD.config).predict(program.instructions).counters
    start, size = program.buffer_address, len(program.unified_buffer)
    assert driver.read(Space.UNIFIED_BUFFER, start, size) == golden.unified_buffer[start:start + size].tobytes()


@pytest.mark.parametrize("board, kind", [
    ("ulx3s-85f", "dsp"), ("ulx3s-85f", "winograd"), ("icebreaker", "dsp"), ("tang-nano-20k", "dsp"),
    ("tang-nano-20k", "winograd")])
def test_arrays_multiply_as_numpy(board, kind, tmp_path):
    part = BOARDS[board].part
    config = Config(rows=5, cols=3, requantise_lanes=1, multiplier=kind)
    run_bench(SystolicArray(config), "tb_array", config, "verilator", tmp_path, cells=CELLS[part.family],
              netlist=lambda text, top: netlist(text, top, part, tmp_path, options=OPTIONS.get(part.family, "")))
