"""Shapes at the edge of what layers were made for: narrow images, deep padding, wide rows; on the chip and exact."""

from dataclasses import replace

import numpy as np
import pytest
from network_builder import Network
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.program import Program
from systolith.host.run import run_model
from systolith.host.tflite import parse
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice
from test_moves import concatenation, pad, strided

EDGE = PRESETS["edge"]
BANDS = replace(PRESETS["nano"], name="bands", unified_buffer_bytes=1024)


def exact(content, config):
    graph = parse(content)
    check = ExactCheck(graph, content)
    run_model(graph, compile_graph(graph, config), ModelDevice(config), random_inputs(graph, 1, seed=1), check)
    assert check.mismatches == []


@pytest.mark.parametrize("config", [EDGE, PRESETS["pico"]], ids=lambda config: config.name)
@pytest.mark.parametrize("height, width, kernel", [(4, 1, 3), (1, 1, 3), (6, 2, 5)])
def test_window_wider_than_the_image(height, width, kernel, config):
    network = Network(1, (1, height, width, 5))
    x = network.convolution(network.input, 4, kernel)
    exact(network.serialise(network.depthwise(x, kernel)), config)


@pytest.mark.parametrize("amounts, stride, valid", [
    ([[0, 0], [7, 8], [5, 6], [0, 0]], 1, True), ([[0, 0], [7, 8], [5, 6], [0, 0]], 2, True),
    ([[0, 0], [2, 1], [1, 2], [0, 0]], 2, False)])
def test_bands_in_the_padding(amounts, stride, valid):
    network = Network(1, (1, 14, 6, 12))
    x = network.convolution(network.input, 12, 1)
    exact(network.serialise(network.convolution(pad(network, x, amounts), 10, 3, stride, valid)), BANDS)


def test_padding_that_changes_the_scale_is_no_convolutions():
    network = Network(1, (1, 14, 6, 12))
    x = network.convolution(network.input, 12, 1)
    y = network.add("PAD", [x, network.constant([[0, 0], [1, 1], [1, 1], [0, 0]])], (1, 16, 8, 12), ("PadOptions", {}),
                    scale=0.03, zero_point=17)
    exact(network.serialise(network.convolution(y, 10, 3, valid=True)), EDGE)


def test_some_columns_of_a_broadcast():
    network = Network(2, (1, 20, 12, 6))
    x = network.convolution(network.input, 6, 3)
    c = network.tensor((6,), data=np.arange(6, dtype=np.int8) * 9)
    y = network.add("MUL", [x, c], network.shape(x), ("MulOptions", {}))
    part = strided(network, y, [0, 0, 5, 0], [1, 20, 12, 6], [1, 1, 1, 1], (1, 20, 7, 6))
    exact(network.serialise(network.convolution(part, 4, 1), network.convolution(x, 4, 1)), BANDS)


def test_rows_longer_than_an_instruction_says():
    network = Network(1, (1, 1, 17000, 1))
    x = network.add("RELU", [network.input], (1, 1, 17000, 1))
    y = concatenation(network, [x, x], 3)
    exact(network.serialise(network.pool("MAX_POOL_2D", y, 1, 1)), EDGE)


def test_a_constant_output_is_in_the_program_file():
    network = Network(1, (1, 4, 4, 3))
    c = network.tensor((3,), data=np.arange(3, dtype=np.int8))
    graph = parse(network.serialise(network.convolution(network.input, 3, 1), c))
    program = Program.from_bytes(compile_graph(graph, EDGE).to_bytes())
    result, = run_model(graph, program, ModelDevice(EDGE), random_inputs(graph, 1))
    assert result.outputs[c].tolist() == [0, 1, 2]
