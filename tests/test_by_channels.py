"""Groups of layers that are cut by channels: exact, nothing made twice, and their common input sent once."""

import numpy as np
import pytest
from network_builder import Network
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.run import run_model
from systolith.host.tflite import parse
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice
from systolith.sim.verilator import VerilatorDevice
from test_continued import outputs, small
from test_transposed import exact


def block(kernel, channels=64, sigmoid=False, size=(12, 10)):
    """Pixels are spread over many channels, which are filtered and averaged: as before a squeeze and excitation."""
    network = Network(1, (1, *size, 8))
    x = network.depthwise(network.convolution(network.input, channels, 1), kernel)
    if sigmoid:
        x = network.add("LOGISTIC", [x], network.shape(x), scale=1 / 256, zero_point=-128)
    return network.serialise(x, network.mean(x))


def groups(program):
    """By part of the network: the pieces of channels of what is made, and how often the model's input is written."""
    found = {}
    for step in program.steps:
        if step.operator is None and step.reads:
            target = min(step.reads)
            found.setdefault(frozenset(step.reads), []).append((step.boxes.get(target), step.writes))
    return found


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("size", [4096, 6144, 8192])
@pytest.mark.parametrize("kernel", [3, 5])
def test_exact(kernel, size, sigmoid):
    program = exact(block(kernel, sigmoid=sigmoid), small(size))
    cut = {box.channels for parts in groups(program).values() for box, _ in parts if box}
    assert len(cut) > 1


def test_input_is_sent_once_and_nothing_made_twice():
    graph = parse(block(5))
    _, whole, _ = outputs(graph, small(65536))
    _, parts, runs = outputs(graph, small(6144))
    assert runs > 1
    assert parts["array_active"] == whole["array_active"]
    program = compile_graph(graph, small(6144))
    (made,) = groups(program).values()
    assert [len(writes) for _, writes in made] == [1] + [0] * (runs - 1)


def test_on_the_chip():
    graph, config = parse(block(5, sigmoid=True)), small(6144)
    program, inputs = compile_graph(graph, config), random_inputs(graph, 2, seed=1)
    device = VerilatorDevice(config)
    chip, model = (run_model(graph, program, on, inputs) for on in (device, ModelDevice(config)))
    device.close()
    for one, other in zip(chip, model):
        assert all(np.array_equal(one.outputs[t], other.outputs[t]) for t in graph.outputs)


@pytest.mark.parametrize("width, channels", [(20, 48), (7, 40), (64, 96)])
def test_a_table_does_not_overtake_channels(width, channels):
    """Few pixels are filtered channels by channels, but a table takes whole rows."""
    for config in (PRESETS["edge"], PRESETS["nano"]):
        exact(block(3, channels, True, (1, width)), config)
