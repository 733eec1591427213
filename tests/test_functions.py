"""Functions of single elements as part of the layer before them: exact, and fewer passes."""

from dataclasses import replace

import numpy as np
import pytest
from network_builder import Network
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.run import run_model
from systolith.host.tflite import parse
from systolith.rtl.config import PRESETS
from systolith.rtl.encoding import decode
from systolith.sim.model_device import ModelDevice
from test_compile import CONFIGS


def on_chip(content, config):
    """Kinds of the layers that are executed, after comparing the outputs with those of the model as it was written."""
    graph = parse(content)
    program = compile_graph(graph, config)
    inputs = random_inputs(graph, 2, seed=3)
    for values, result in zip(inputs, run_model(graph, program, ModelDevice(config), inputs)):
        expected = dict(values)
        for operator in graph.operators:
            expected[operator.outputs[0]], = evaluate(graph, operator, expected)
        for index in graph.outputs:
            np.testing.assert_array_equal(result.outputs[index], expected[index])
            assert len(np.unique(expected[index])) > 5
    return [layer.op for layer in program.layers], program


def swish(network, x):
    """x * sigmoid(x), as Keras writes it."""
    gate = network.add("LOGISTIC", [x], network.shape(x), scale=1 / 256, zero_point=-128)
    return network.add("MUL", [x, gate], network.shape(x), ("MulOptions", {}))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_swish_is_part_of_the_convolution(config):
    network = Network(1, (1, 6, 7, 4))
    y = swish(network, network.convolution(network.input, 20, 3, stride=2))
    y = swish(network, network.transpose_convolution(y, 7))
    kinds, _ = on_chip(network.serialise(swish(network, network.fully_connected(y, 30))), config)
    assert kinds == ["CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_behind_other_layers_it_is_one_table(config):
    network = Network(2, (1, 6, 7, 12))
    y = swish(network, network.depthwise(network.input))
    kinds, _ = on_chip(network.serialise(network.convolution(y, 5, 1)), config)
    assert kinds == ["DEPTHWISE_CONV_2D", "LOOKUP", "CONV_2D"]


def test_what_others_read_stays():
    network = Network(3, (1, 6, 7, 4))
    x = network.convolution(network.input, 12, 3)
    gate = network.add("LOGISTIC", [x], network.shape(x), scale=1 / 256, zero_point=-128)
    y = network.add("MUL", [x, gate], network.shape(x), ("MulOptions", {}))
    kinds, _ = on_chip(network.serialise(y, network.convolution(gate, 9, 1)), PRESETS["edge"])
    assert kinds == ["CONV_2D", "LOGISTIC", "MUL", "CONV_2D"]
    network = Network(4, (1, 6, 7, 4))
    x = network.convolution(network.input, 12, 3)
    kinds, _ = on_chip(network.serialise(x, swish(network, x)), PRESETS["edge"])
    assert kinds == ["CONV_2D", "LOOKUP"]


def test_operands_of_other_shapes_are_no_functions_of_elements():
    network = Network(5, (1, 6, 7, 4))
    x = network.convolution(network.input, 8, 3)
    gate = network.add("LOGISTIC", [network.mean(x)], (1, 8), scale=1 / 256, zero_point=-128)
    y = network.add("MUL", [x, gate], network.shape(x), ("MulOptions", {}))
    kinds, _ = on_chip(network.serialise(y), PRESETS["edge"])
    assert kinds == ["CONV_2D", "MEAN", "LOGISTIC", "MUL"]


def test_in_parts_and_on_the_host():
    network = Network(6, (1, 24, 9, 6))
    content = network.serialise(swish(network, network.convolution(network.input, 24, 3)))
    _, program = on_chip(content, replace(PRESETS["nano"], name="parts", unified_buffer_bytes=2048))
    assert len(program.steps) > 1
    # A buffer in which not even a part fits.
    network = Network(7, (1, 4, 4, 300))
    content = network.serialise(swish(network, network.convolution(network.input, 24, 3)))
    _, program = on_chip(content, replace(PRESETS["nano"], name="tiny", unified_buffer_bytes=256))
    assert [layer.unit for layer in program.layers] == ["host"]


def test_every_operator_is_there_for_the_check():
    network = Network(8, (1, 6, 7, 4))
    graph = parse(network.serialise(swish(network, network.convolution(network.input, 20, 3))))
    program = compile_graph(graph, PRESETS["edge"], dump=True)
    assert [layer.op for layer in program.layers] == ["CONV_2D", "LOGISTIC", "MUL"]


def test_a_function_may_begin_at_what_others_read():
    network = Network(9, (1, 6, 7, 4))
    x = network.convolution(network.input, 12, 3)
    y = network.add("LEAKY_RELU", [x], network.shape(x), ("LeakyReluOptions", {"alpha": 0.3}))
    content = network.serialise(swish(network, y), network.convolution(y, 9, 1))
    assert on_chip(content, PRESETS["edge"])[0] == ["CONV_2D", "LOOKUP", "CONV_2D"]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_what_only_confines_is_a_clamp(config):
    network = Network(10, (1, 6, 6, 16))
    x = network.convolution(network.input, 16, 1)
    y = network.add("RELU", [x], network.shape(x), zero_point=network.zero_point(x))
    content = network.serialise(network.add("RELU6", [y], network.shape(y), zero_point=network.zero_point(x)))
    kinds, program = on_chip(content, config)
    assert kinds == ["CONV_2D"]
    words = (decode(program.instructions[0][n:n + 16])[1] for n in range(0, len(program.instructions[0]), 16))
    assert not any(fields.get("table") for fields in words)
