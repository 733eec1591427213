"""Operators that move elements, broadcast operands, padding that becomes a convolution's: on the chip, and exact."""

from dataclasses import replace

import numpy as np
import pytest
from network_builder import Network
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.program import Program
from systolith.host.run import run_model
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice
from test_compile import CONFIGS

#: So little room that a layer is executed in bands of rows.
BANDS = replace(PRESETS["nano"], name="bands", unified_buffer_bytes=2048)


def concatenation(network, parts, axis):
    shape = list(network.shape(parts[0]))
    shape[axis] = sum(network.shape(part)[axis] for part in parts)
    return network.add("CONCATENATION", parts, shape, ("ConcatenationOptions", {"axis": axis}),
                       zero_point=network.zero_point(parts[0]))


def strided(network, x, begin, end, strides, shape, **masks):
    return network.add("STRIDED_SLICE", [x, *map(network.constant, (begin, end, strides))], shape,
                       ("StridedSliceOptions", {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 0, "ellipsisMask": 0,
                                                "newAxisMask": 0, **masks}), zero_point=network.zero_point(x))


def pad(network, x, amounts):
    shape = np.array(network.shape(x)) + np.sum(amounts, axis=1)
    return network.add("PAD", [x, network.constant(amounts)], shape, ("PadOptions", {}),
                       zero_point=network.zero_point(x))


def branches(axis):
    """Two convolutions and what they come from, one after the other."""
    network = Network(1, (1, 12, 10, 6))
    x = network.input
    y = network.convolution(x, 6, 3), network.convolution(x, 6, 1)
    # One quantisation for all, as the converter gives it.
    x, *y = (network.add("QUANTIZE", [t], network.shape(t), zero_point=3) for t in (x, *y))
    both = concatenation(network, [y[0], x, y[1], x], axis)
    return network, network.convolution(both, 5, 3), 5


def behind():
    """A layer of the vector unit between layers of the array that do not wait for it: it must not fall behind two."""
    network = Network(13, (1, 12, 12, 6))
    x = network.convolution(network.input, 8, 3)
    pair = [network.add("QUANTIZE", [network.convolution(x, 8, 1)], (1, 12, 12, 8), zero_point=3) for _ in range(2)]
    both = concatenation(network, pair, 3)
    for _ in range(5):
        x = network.convolution(x, 8, 3)
    x = network.add("QUANTIZE", [x], (1, 12, 12, 8), zero_point=3)
    return network, concatenation(network, [both, x], 3), 10


def slices():
    network = Network(2, (1, 11, 9, 20))
    x = network.convolution(network.input, 20, 1)
    y = strided(network, x, [0, 1, 0, 3], [1, 11, 9, 17], [1, 3, 2, 1], (1, 4, 5, 14))
    return network, network.convolution(y, 5, 3), 3


def enlargement(height, width):
    network = Network(3, (1, 5, 6, 18))
    x = network.convolution(network.input, 18, 3)
    y = network.add("RESIZE_NEAREST_NEIGHBOR", [x, network.constant([5 * height, 6 * width])],
                    (1, 5 * height, 6 * width, 18), ("ResizeNearestNeighborOptions", {}),
                    zero_point=network.zero_point(x))
    return network, network.convolution(y, 5, 3), 3


def blocks():
    network = Network(4, (1, 6, 7, 16))
    x = network.convolution(network.input, 16, 3)
    y = network.add("DEPTH_TO_SPACE", [x], (1, 12, 14, 4), ("DepthToSpaceOptions", {"blockSize": 2}),
                    zero_point=network.zero_point(x))
    z = network.add("SPACE_TO_DEPTH", [y], (1, 6, 7, 16), ("SpaceToDepthOptions", {"blockSize": 2}),
                    zero_point=network.zero_point(x))
    return network, network.convolution(z, 5, 3), 4


def gate(kind, first):
    """Squeeze and excitation: every pixel is scaled by what comes of the mean."""
    network = Network(5, (1, 9, 8, 20))
    x = network.convolution(network.input, 20, 3)
    mean = network.add("MEAN", [x, network.constant([1, 2])], (1, 1, 1, 20), ("ReducerOptions", {"keepDims": True}))
    scale = network.add("LOGISTIC", [mean], (1, 1, 1, 20), scale=1 / 256, zero_point=-128)
    pair = [x, scale] if first else [scale, x]
    y = network.add(kind, pair, network.shape(x), (f"{kind.title()}Options", {}))
    return network, network.convolution(y, 5, 3), 5


def numbers():
    """A constant number is part of a function of single elements."""
    network = Network(6, (1, 9, 8, 20))
    x = network.convolution(network.input, 20, 3)
    for number, kind in enumerate(("ADD", "SUB", "MUL")):
        c = network.tensor((), data=np.array(37 * number - 20, np.int8))
        x = network.add(kind, [c, x] if kind == "SUB" else [x, c], network.shape(x), (f"{kind.title()}Options", {}))
    return network, x, 1


def vectors(kind, first, shape=(20,)):
    """A constant for each channel, or for each element, which the host writes as it writes inputs."""
    network = Network(12, (1, 9, 8, 20))
    x = network.convolution(network.input, 20, 3)
    rng = np.random.default_rng(0)
    c = network.tensor(shape, data=rng.integers(-128, 128, shape, np.int8))
    y = network.add(kind, [c, x] if first else [x, c], network.shape(x), (f"{kind.title()}Options", {}))
    return network, network.convolution(y, 5, 3), 3


def padded():
    """Both kinds of convolution take the padding over; it has no layer of its own."""
    network = Network(7, (1, 11, 9, 12))
    x = network.convolution(network.input, 12, 1)
    y = pad(network, x, [[0, 0], [1, 2], [0, 1], [0, 0]])
    y = network.depthwise(y, 3, 1)
    y = pad(network, y, [[0, 0], [0, 1], [2, 1], [0, 0]])
    return network, network.convolution(y, 8, 3, 2, valid=True), 3


def kept_padding():
    """Padding that something else than a convolution reads, of every dimension, with zero and with a number."""
    network = Network(9, (1, 7, 5, 12))
    x = network.convolution(network.input, 12, 1)
    y = pad(network, x, [[0, 0], [1, 2], [0, 3], [4, 1]])
    fill = network.tensor((), data=np.array(-77, np.int8), zero_point=network.zero_point(x))
    z = network.add("PADV2", [y, network.constant([[0, 0], [0, 0], [2, 1], [0, 0]]), fill], (1, 10, 11, 17),
                    ("PadV2Options", {}), zero_point=network.zero_point(x))
    return network, network.convolution(z, 5, 3), 4


def parts():
    """Channels in three parts, of which two come together again in another order; rows one by one."""
    network = Network(10, (1, 3, 6, 24))
    x = network.convolution(network.input, 24, 3)
    outputs = [network.tensor((1, 3, 6, 8), zero_point=network.zero_point(x)) for _ in range(3)]
    network.operator("SPLIT", [network.constant(3), x], outputs, ("SplitOptions", {"numSplits": 3}))
    y = concatenation(network, outputs[:0:-1], 3)
    rows = [network.tensor((1, 6, 16), zero_point=network.zero_point(x)) for _ in range(3)]
    network.operator("UNPACK", [y], rows, ("UnpackOptions", {"num": 3, "axis": 1}))
    return network, network.sum(network.sum(rows[0], rows[2]), rows[1]), 10


def total():
    network = Network(11, (1, 9, 8, 20))
    x = network.convolution(network.input, 20, 3)
    y = network.add("SUM", [x, network.constant([1, 2])], (1, 20), ("ReducerOptions", {}), scale=0.5)
    return network, network.fully_connected(y, 4), 3


def mean_of_a_sequence():
    network = Network(8, (1, 16, 12))
    x = network.add("RELU", [network.input], (1, 16, 12))
    return network, network.add("MEAN", [x, network.constant([1])], (1, 12), ("ReducerOptions", {})), 2


def in_the_array():
    """What the array does beside plain convolutions: groups, channels that change places, functions; and an average."""
    network = Network(12, (1, 8, 9, 6))
    x = network.convolution(network.input, 24, 3, groups=3)
    gate = network.add("LOGISTIC", [x], network.shape(x), scale=1 / 256, zero_point=-128)
    y = network.add("MUL", [x, gate], network.shape(x), ("MulOptions", {}))
    y = network.add("GATHER", [y, network.constant(np.arange(24).reshape(2, 12).T.reshape(-1))], network.shape(y),
                    ("GatherOptions", {"axis": 3, "batchDims": 0}), zero_point=network.zero_point(y))
    y = network.pool("AVERAGE_POOL_2D", y, 3, 2, valid=False)
    return network, network.add("LEAKY_RELU", [y], network.shape(y), ("LeakyReluOptions", {"alpha": 0.1})), 4


NETWORKS = {
    "in the array": in_the_array,
    **{f"concatenation {axis}": lambda axis=axis: branches(axis) for axis in (1, 2, -1)},
    "behind": behind, "constants": lambda: vectors("MUL", False), "constants first": lambda: vectors("SUB", True),
    "constant image": lambda: vectors("ADD", False, (1, 9, 8, 20)), "slices": slices,
    "enlargement 2": lambda: enlargement(2, 2), "enlargement 3": lambda: enlargement(3, 1),
    "blocks": blocks, "numbers": numbers, "padded": padded,
    "kept padding": kept_padding, "parts": parts, "total": total, "mean": mean_of_a_sequence,
    **{f"gate {kind} {first}": lambda kind=kind, first=first: gate(kind, first)
       for kind, first in (("MUL", True), ("MUL", False), ("SUB", False), ("ADD", True))},
}


@pytest.fixture(params=NETWORKS)
def network(request, tmp_path):
    """(path of the file, number of layers)."""
    network, output, layers = NETWORKS[request.param]()
    path = tmp_path / "network.tflite"
    path.write_bytes(network.serialise(output))
    return path, layers


@pytest.mark.parametrize("config", [*CONFIGS, BANDS], ids=lambda config: config.name)
def test_exact(network, config):
    path, layers = network
    graph = load(path)
    program = compile_graph(graph, config)
    assert len(program.layers) == layers
    if config.has_vector:
        assert [layer.reason for layer in program.layers if layer.unit == "host"] == []
    check = ExactCheck(graph, path.read_bytes())
    run_model(graph, program, ModelDevice(config), random_inputs(graph, 2, seed=1), check)
    assert check.mismatches == []
    # A program file holds what the host needs.
    again, inputs = Program.from_bytes(program.to_bytes()), random_inputs(graph, 1)
    first, second = (run_model(graph, p, ModelDevice(config), inputs)[0].outputs for p in (program, again))
    assert all(np.array_equal(first[t], second[t]) for t in graph.outputs)
