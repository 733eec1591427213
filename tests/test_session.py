"""Inferences over lines with faults, on the model device: right, or ended by one sentence; the next one works."""

from collections import Counter

import pytest
from faulty_line import FAULTS, FaultyLine
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.inputs import random_inputs
from systolith.host.link import LineError
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Opcode
from systolith.rtl.packets import Space
from systolith.sim.model_device import ModelDevice

CONFIG = PRESETS["nano"]


@pytest.fixture(scope="module")
def model(digits):
    """A program that sends every operator's output in packets of its own, an input, and what is due."""
    graph = load(digits / "digits.tflite")
    program = compile_graph(graph, CONFIG, dump=True)
    values, = random_inputs(graph, 1, seed=1)
    return program, values, infer(Session(Driver(ModelDevice(CONFIG), CONFIG)), program, values)


def infer(session, program, values):
    session.load(program)
    result = session.infer(values)
    return {tensor: array.tobytes() for tensor, array in (result.outputs | result.dumped).items()}


@pytest.mark.parametrize("kinds", [(kind,) for kind in FAULTS] + [FAULTS], ids=lambda kinds: "-".join(kinds))
def test_faults_cost_time_but_no_result(model, kinds):
    program, values, due = model
    ends = Counter()
    for seed in range(12):
        line = FaultyLine(ModelDevice(CONFIG), rate=1e-4, kinds=kinds, seed=seed)
        session = Session(Driver(line, CONFIG))
        try:
            assert infer(session, program, values) == due
            ends["right"] += 1
        except LineError:
            ends["sentence"] += 1
        ends["faults"] += line.count
        line.rate = 0
        assert infer(Session(Driver(line, CONFIG)), program, values) == due
    assert ends["faults"] > 20 and ends["right"] > 8, ends


def test_a_line_of_noise_ends_in_a_sentence(model):
    program, values, due = model
    line = FaultyLine(ModelDevice(CONFIG), rate=0.5)
    with pytest.raises(LineError):
        infer(Session(Driver(line, CONFIG)), program, values)
    line.rate = 0
    assert infer(Session(Driver(line, CONFIG)), program, values) == due


def test_a_program_left_running_is_stopped(model):
    program, values, due = model

    class Interrupted:
        def read(self, address, length):
            raise KeyboardInterrupt

    device = ModelDevice(CONFIG)
    driver = Driver(device, CONFIG)
    driver.write(Space.INSTRUCTIONS, 0, encode(Opcode.READ_HOST_MEMORY, length=4))
    with pytest.raises(KeyboardInterrupt):
        driver.run(0, Interrupted())
    assert infer(Session(Driver(device, CONFIG)), program, values) == due
