"""Operators of the host between layers of the chip, and what they hand over: exact, and named in the report."""

import numpy as np
from network_builder import Network
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.run import describe, run_model
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice

NANO = PRESETS["nano"]


def run(tmp_path, content):
    """The report of a network whose every operator equals the reference interpreter's."""
    (tmp_path / "m.tflite").write_bytes(content)
    graph = load(tmp_path / "m.tflite")
    program, check = compile_graph(graph, NANO), ExactCheck(graph, content)
    results = run_model(graph, program, ModelDevice(NANO), random_inputs(graph, 3), check)
    assert check.mismatches == []
    return graph, results, describe(program, "model", results, check)


def test_bytes_without_sign_at_both_ends(tmp_path):
    net = Network(0, (1, 12, 12, 3), np.uint8)
    x = net.add("QUANTIZE", [net.input], net.shape(net.input), ("QuantizeOptions", {}))
    x = net.fully_connected(net.convolution(x, 8, stride=2), 10)
    graph, results, report = run(tmp_path, net.serialise(
        net.add("QUANTIZE", [x], net.shape(x), ("QuantizeOptions", {}), dtype=np.uint8)))
    outputs = np.stack([result.outputs[graph.outputs[0]] for result in results])
    assert outputs.dtype == np.uint8 and len(np.unique(outputs)) > 10
    assert [layer["unit"] for layer in report["layers"]] == ["host", "matrix", "matrix", "host"]


def test_operators_of_the_host_between_layers_of_the_chip(tmp_path):
    net = Network(1, (1, 8, 10, 4))
    x = net.convolution(net.input, 8)
    same = {"zero_point": 0}
    x = net.add("RELU", [x], net.shape(x), **same)
    x = net.add("PAD", [x, net.constant([[0, 0], [1, 2], [0, 1], [0, 0]])], (1, 11, 11, 8), ("PadOptions", {}), **same)
    x = net.convolution(x, 6, valid=True)
    half = net.add("STRIDED_SLICE", [x, *map(net.constant, ([0, 0, 1, 0], [1, 9, 9, 6], [1, 2, 2, 1]))], (1, 5, 4, 6),
                   ("StridedSliceOptions", {}), zero_point=net.zero_point(x))
    half = net.convolution(half, 6, kernel=1)
    full = net.add("RESIZE_NEAREST_NEIGHBOR", [half, net.constant([9, 9])], net.shape(x),
                   ("ResizeNearestNeighborOptions", {}), zero_point=net.zero_point(half))
    x = net.sum(x, full)
    gate = net.add("RESHAPE", [net.mean(x)], (1, 1, 1, 6), ("ReshapeOptions", {}))
    x = net.add("MUL", [x, gate], net.shape(x), ("MulOptions", {}))
    x = net.sum(x, gate)
    turned = net.add("TRANSPOSE", [x, net.constant([0, 2, 1, 3])], (1, 9, 9, 6), ("TransposeOptions", {}),
                     zero_point=net.zero_point(x))
    smooth = net.add("RESIZE_BILINEAR", [half, net.constant([9, 9])], (1, 9, 9, 6), ("ResizeBilinearOptions", {}),
                     zero_point=net.zero_point(half))
    far = net.add("SQUARED_DIFFERENCE", [smooth, turned], net.shape(x), ("SquaredDifferenceOptions", {}))
    x = net.add("ADD", [x, far], net.shape(x), ("AddOptions", {}), zero_point=net.zero_point(turned))
    x = net.add("CONCATENATION", [x, turned], (1, 9, 9, 12), ("ConcatenationOptions", {"axis": 3}),
                zero_point=net.zero_point(x))
    x = net.transpose_convolution(net.convolution(x, 8, stride=2), 4)
    _, _, report = run(tmp_path, net.serialise(net.convolution(x, 5)))
    named = {operator["op"]: operator["reason"] for operator in report["host_operators"]}
    assert named.keys() == {"TRANSPOSE", "RESIZE_BILINEAR", "SQUARED_DIFFERENCE"} and all(named.values())
    units = {layer["op"]: layer["unit"] for layer in report["layers"] if layer["op"] not in named}
    assert set(units.values()) == {"matrix", "vector", "none"}
    assert units.keys() >= {"STRIDED_SLICE", "RESIZE_NEAREST_NEIGHBOR", "MUL", "CONCATENATION", "TRANSPOSE_CONV"}
