"""Transposed convolutions on the array: exact, whole and in bands of rows."""

from dataclasses import replace

import pytest
from network_builder import Network
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.run import run_model
from systolith.host.tflite import parse
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice
from test_compile import CONFIGS

#: Kernel and stride; a stride longer than the kernel leaves outputs that only the bias makes.
SHAPES = [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((4, 4), (2, 2)), ((5, 3), (1, 2)), ((3, 1), (3, 1)), ((1, 2), (3, 4)),
          ((1, 1), (1, 1)), ((7, 2), (3, 2))]


def exact(content, config):
    graph = parse(content)
    program = compile_graph(graph, config)
    assert [layer.reason for layer in program.layers if layer.unit == "host"] == []
    check = ExactCheck(graph, content)
    run_model(graph, program, ModelDevice(config), random_inputs(graph, 1, seed=1), check)
    assert check.mismatches == []
    return program


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("valid", [False, True], ids=["same", "valid"])
@pytest.mark.parametrize("kernel, stride", SHAPES)
def test_exact(kernel, stride, valid, config):
    network = Network(1, (1, 5, 6, 7))
    x = network.convolution(network.input, 7, 1)
    y = network.transpose_convolution(x, 11, kernel, stride, valid)
    exact(network.serialise(network.convolution(y, 3, 3)), config)


@pytest.mark.parametrize("kernel, stride", SHAPES)
def test_in_bands(kernel, stride):
    network = Network(2, (1, 20, 6, 9))
    x = network.convolution(network.input, 9, 3)
    y = network.transpose_convolution(x, 13, kernel, stride)
    program = exact(network.serialise(y), replace(PRESETS["nano"], name="bands", unified_buffer_bytes=2048))
    assert len(program.steps) > 1
