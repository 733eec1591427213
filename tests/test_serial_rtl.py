"""The serial driver against the chip's RTL and UART, through a pseudo-terminal and a line with faults."""

import contextlib
import functools
import json
from collections import Counter

import pytest
from click.testing import CliRunner
from faulty_line import FAULTS, FaultyLine, pseudo_terminal
from serial_chip import SerialChip
from systolith.host.cli import main
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.inputs import random_inputs
from systolith.host.link import LineError
from systolith.host.serial_device import SerialDevice
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Opcode
from systolith.rtl.packets import Space, State
from systolith.rtl.verilog import convert
from systolith.sim.model_device import ModelDevice
from systolith.sim.verilator import TOP, VerilatorDevice, build
from test_session import infer

# Not a compact chip, so that its programs send packets of their own.
SMALL = Config(name="small", rows=4, cols=4, requantise_lanes=2, accumulator_depth=128, unified_buffer_bytes=16384,
               weight_fifo_tiles=2, weight_memory_rows=4096, instruction_depth=1024, queue_depth=4, tag_depth=16,
               packet_bytes=256, vector_taps=0, parameter_slots=2)
PICO = PRESETS["pico"]

#: Clock cycles a bit: the least, so that simulations are short.
RATIO = 4

#: Bytes that the simulation gets at once, which it takes in a hundredth of a second.
PIECE = 256

# Seconds, of which the simulation needs a tenth for the longest packet, if the machine has nothing else to do.
TIMEOUT = 1


def name_of(parameter):
    return parameter.name if isinstance(parameter, Config) else "-".join(parameter)


@functools.cache
def library(config):
    return build(convert(SerialChip(config, RATIO), TOP, flat=True))


def simulation(config):
    """A chip at its serial line. A read clocks it for as long as a piece takes on the line."""
    return VerilatorDevice(config, library(config), timeout=PIECE * 10 * RATIO)


def driver_at(port, config):
    return Driver(SerialDevice(port, timeout=TIMEOUT), config)


@pytest.mark.parametrize("config, kinds", [*((SMALL, (kind,)) for kind in FAULTS), (SMALL, FAULTS), (PICO, FAULTS)],
                         ids=lambda value: value.name if isinstance(value, Config) else "-".join(value))
def test_faults_cost_time_but_no_result(config, kinds, digits):
    graph = load(digits / "digits.tflite")
    program = compile_graph(graph, config, dump=True)
    values, = random_inputs(graph, 1, seed=1)
    due = infer(Session(Driver(ModelDevice(config), config)), program, values)
    line = FaultyLine(simulation(config), rate=2e-4, kinds=kinds)
    with pseudo_terminal(line, PIECE) as port:
        with driver_at(port, config) as driver, contextlib.suppress(LineError):
            assert infer(Session(driver), program, values) == due
        assert line.count > 1
        line.rate = 0
        with driver_at(port, config) as driver:
            assert infer(Session(driver), program, values) == due


def test_a_program_that_moves_the_hosts_bytes_ends_right_or_with_a_sentence():
    line = FaultyLine(simulation(SMALL), rate=0)
    ends = Counter()
    with pseudo_terminal(line, PIECE) as port, driver_at(port, SMALL) as driver:
        driver.write(Space.INSTRUCTIONS, 0, b"".join((
            encode(Opcode.READ_HOST_MEMORY, host_address=10, length=600), encode(Opcode.INTERRUPT, code=515),
            encode(Opcode.WRITE_HOST_MEMORY, host_address=700, length=600), encode(Opcode.HALT))))
        line.rate = 5e-4
        for number in range(12):
            memory = bytearray((i * 5 + number) % 256 for i in range(1300))
            try:
                assert driver.run(0, memory)["state"] == State.HALTED
            except LineError:
                ends["sentence"] += 1
                driver.reset()
            else:
                assert memory[700:] == memory[10:610] and driver.interrupts == [515]
                ends["right"] += 1
    assert line.count > 5 and ends["right"] > 2 and ends["sentence"], (line.count, ends)


def test_the_command_runs_it_and_counts_its_cycles(digits):
    """With time-outs for a tenth of the baud, as the simulation is slower than a board."""
    def run(device):
        words = ["run", digits / "digits.tflite", "--json", "--device", device, "--config", PICO.name]
        result = CliRunner().invoke(main, [*map(str, words)])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    with pseudo_terminal(simulation(PICO), PIECE) as port:
        report = run(f"serial:{port}@100000")
    assert report == run("cycles") | {"device": report["device"]}
