"""The smallest board: its bitstream, and its netlist over the serial pins, in the vendor's cell models."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from netlist_programs import check_random_program
from serial_chip import SerialBoard
from systolith.host.cli import main
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.inputs import random_inputs
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.rtl.uart import DEFAULT_BAUD
from systolith.rtl.verilog import convert
from systolith.sim.cycle_device import CycleDevice
from systolith.sim.verilator import TOP, VerilatorDevice, build
from systolith.synth import top
from systolith.synth.boards import BOARDS
from vendor import netlist

pytestmark = pytest.mark.fpga

# Those that share the netlist run in one process, beside the one that routes it.
netlist_group = pytest.mark.xdist_group("netlist")

BOARD = BOARDS["icebreaker"]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """To the netlist that `systolith build icebreaker` routes, over its serial pins at its baud."""
    design = top.prepare(BOARD, BOARD.config, BOARD.freq, DEFAULT_BAUD)
    text = netlist(design.chip, top.TOP, BOARD.part, tmp_path_factory.mktemp("netlist"), rtlil=design.top)
    line = convert(SerialBoard(1e6 * design.clock / DEFAULT_BAUD), TOP)
    # It gives up soon, as the first bytes are lost while the clock becomes stable.
    device = VerilatorDevice(BOARD.config, build("\n".join((text, line))), timeout=100_000)
    return Driver(device, BOARD.config)


def test_the_bitstream_and_its_report(tmp_path, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(main, ["build", BOARD.name, "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["board"], report["config"], report["macs"]) == (BOARD.name, BOARD.config.name, BOARD.config.macs)
    # Another version of the router places otherwise, which is worth a tenth.
    assert report["fmax_mhz"] > 0.9 * report["clock_mhz"] and report["clock_mhz"] == BOARD.freq
    assert report["timing_met"] == (report["fmax_mhz"] >= BOARD.freq)
    assert report["peak_gops"] == round(2 * BOARD.config.macs * report["fmax_mhz"] / 1000, 2)
    for resource, least, available in (("lut", 2000, 5280), ("ff", 1500, 5280), ("dsp", 8, 8), ("bram", 10, 30),
                                       ("spram", 4, 4)):
        assert least <= report[resource]["used"] <= report[resource]["available"] == available
    units = {name.split(".")[2] for name in report["modules"] if name.startswith("chip.compact.")}
    assert {"host", "sequencer", "matrix", "activation", "weights", "memory"} <= units
    assert report["critical_path"] and isinstance(report["latency_ms"], dict)
    # The preamble of an iCE40's bitstream, behind icepack's comment.
    assert b"\x7e\xaa\x99\x7e" in (tmp_path / "out" / "top.bin").read_bytes()[:64]


@netlist_group
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
    assert board.counters == due.counters and board.layer_counters == due.layer_counters


@netlist_group
def test_a_random_program_leaves_what_the_model_leaves(driver):
    assert check_random_program(driver, Driver(CycleDevice(BOARD.config), BOARD.config), BOARD.config, 1)
