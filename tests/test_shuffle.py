"""Channels that change places: on the array, exact, also where reshapes and transpositions say so."""

from dataclasses import replace

import numpy as np
import pytest
from model_builder import Spec, constant, one_operator
from network_builder import Network
from onnx_compared import compared
from onnx_model_builder import QdqModel
from systolith.host import onnx_qdq
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.run import run_model
from systolith.host.tflite import parse
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice
from test_compile import CONFIGS
from test_transposed import exact


def shuffled(network, x, groups):
    """Channels cut into groups, transposed and joined again, as ShuffleNet does."""
    batch, height, width, channels = network.shape(x)
    same = dict(zero_point=network.zero_point(x))
    parts = batch, height, width, groups, channels // groups
    y = network.add("RESHAPE", [x, network.constant(parts)], parts, ("ReshapeOptions", {}), **same)
    y = network.add("TRANSPOSE", [y, network.constant([0, 1, 2, 4, 3])], (*parts[:3], parts[4], groups),
                    ("TransposeOptions", {}), **same)
    whole = network.shape(x)
    return network.add("RESHAPE", [y, network.constant(whole)], whole, ("ReshapeOptions", {}), **same)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("channels, groups", [(12, 2), (20, 4), (48, 3)])
def test_channel_shuffles(channels, groups, config):
    network = Network(1, (1, 5, 6, 4))
    y = shuffled(network, network.convolution(network.input, channels, 1), groups)
    program = exact(network.serialise(network.convolution(y, 5, 3)), config)
    assert [layer.op for layer in program.layers] == ["CONV_2D", "GATHER", "CONV_2D"]


def test_in_parts():
    network = Network(2, (1, 20, 9, 6))
    y = shuffled(network, network.convolution(network.input, 24, 1), 2)
    program = exact(network.serialise(network.convolution(y, 5, 3)),
                    replace(PRESETS["nano"], name="parts", unified_buffer_bytes=4096))
    assert len(program.steps) > 1


def test_a_chain_with_another_reader_stays():
    network = Network(3, (1, 4, 4, 8))
    x = network.convolution(network.input, 8, 1)
    y = network.add("TRANSPOSE", [x, network.constant([0, 2, 1, 3])], (1, 4, 4, 8), ("TransposeOptions", {}),
                    zero_point=network.zero_point(x))
    z = network.add("TRANSPOSE", [y, network.constant([0, 2, 1, 3])], (1, 4, 4, 8), ("TransposeOptions", {}),
                    zero_point=network.zero_point(x))
    program = exact(network.serialise(network.sum(y, z)), PRESETS["edge"])
    assert [layer.op for layer in program.layers].count("TRANSPOSE") == 2


def test_what_comes_behind_a_shuffle_does_not_matter():
    network = Network(4, (1, 4, 5, 6))
    y = shuffled(network, network.convolution(network.input, 12, 1), 3)
    flat = network.add("RESHAPE", [y, network.constant([1, 240])], (1, 240), ("ReshapeOptions", {}),
                       zero_point=network.zero_point(y))
    program = exact(network.serialise(network.fully_connected(flat, 5)), PRESETS["nano"])
    assert [layer.op for layer in program.layers] == ["CONV_2D", "GATHER", "RESHAPE", "FULLY_CONNECTED"]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_single_number_is_selected_as_well(config):
    options = "GatherOptions", {"axis": 0, "batchDims": 0}
    content = one_operator("GATHER", [Spec((5,)), constant(2)], Spec(()), options)
    check = ExactCheck(parse(content), content)
    run_model(parse(content), compile_graph(parse(content), config), ModelDevice(config),
              random_inputs(parse(content), 1), check)
    assert check.mismatches == []


def test_of_onnx():
    """As PyTorch writes it, of channels before the pixels."""
    model = QdqModel()
    x = model.qdq(model.node("Conv", [model.qdq(model.input((1, 3, 5, 6))), model.weights((12, 3, 1, 1))]), 0.2, 0)
    y = model.node("Reshape", [x, model.constant(np.array([1, 3, 4, 5, 6]))])
    y = model.node("Transpose", [model.qdq(y, 0.2, 0)], perm=[0, 2, 1, 3, 4])
    y = model.qdq(model.node("Reshape", [y, model.constant(np.array([1, 12, 5, 6]))]), 0.2, 0)
    proto = model.proto(model.qdq(model.node("Conv", [y, model.weights((4, 12, 3, 3))]), 0.5, 0))
    compared(proto)
    program = compile_graph(onnx_qdq.parse(proto.SerializeToString()), PRESETS["nano"])
    on_chip = [layer.op for layer in program.layers if layer.unit != "host"]
    assert on_chip == ["CONV_2D", "GATHER", "CONV_2D", "TRANSPOSE"]  # the last one for the order of the output
