"""Dilated convolutions as TensorFlow writes them, of images and of lines: one layer each, exact."""

import numpy as np
import pytest
from network_builder import Network
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.run import run_model
from systolith.host.tflite import parse
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice
from test_compile import CONFIGS
from test_continued import outputs, small
from test_transposed import exact


def batches(network, x, block, around):
    """SPACE_TO_BATCH_ND."""
    batch, *sizes, channels = network.shape(x)
    cut = [(size + sum(pair)) // step for size, step, pair in zip(sizes, block, around)]
    return network.add("SPACE_TO_BATCH_ND", [x, network.constant(block), network.constant(around)],
                       (batch * np.prod(block), *cut, channels), zero_point=network.zero_point(x))


def joined(network, x, block, cropped):
    """BATCH_TO_SPACE_ND."""
    batch, *sizes, channels = network.shape(x)
    whole = [size * step - sum(pair) for size, step, pair in zip(sizes, block, cropped)]
    return network.add("BATCH_TO_SPACE_ND", [x, network.constant(block), network.constant(cropped)],
                       (batch // np.prod(block), *whole, channels), zero_point=network.zero_point(x))


def reshaped(network, x, shape):
    """RESHAPE."""
    return network.add("RESHAPE", [x, network.constant(shape)], shape, ("ReshapeOptions", {}),
                       zero_point=network.zero_point(x))


def dilated(network, x, kernel, block, channels=None, same=True):
    """The three operators, with padding as "same" or without; the rest of a block is padded and cropped again."""
    sizes = network.shape(x)[1:-1]
    missing = [(length - 1) * step * same for length, step in zip(kernel, block)]
    before = [total // 2 for total in missing]
    rest = [-(size + total) % step for size, total, step in zip(sizes, missing, block)]
    around = [[first, total - first + more] for first, total, more in zip(before, missing, rest)]
    x = batches(network, x, block, around)
    if len(sizes) == 1:
        batch, width, depth = network.shape(x)
        x = reshaped(network, x, (batch, 1, width, depth))
        kernel = 1, *kernel
    y = (network.convolution(x, channels, kernel, valid=True) if channels else
         network.depthwise(x, kernel, valid=True))
    if len(sizes) == 1:
        y = reshaped(network, y, (network.shape(y)[0], *network.shape(y)[2:]))
    return joined(network, y, block, [[0, more] for more in rest])


def kinds(program):
    return [layer.op for layer in program.layers if layer.unit not in ("none", "host")]


#: Kernel and block.
IMAGES = [((3, 3), (2, 2)), ((3, 2), (3, 1)), ((1, 4), (1, 2)), ((2, 2), (4, 3))]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("same", [True, False], ids=["same", "valid"])
@pytest.mark.parametrize("kernel, block", IMAGES)
def test_images(kernel, block, same, config):
    network = Network(1, (1, 9, 10, 5))
    x = network.convolution(network.input, 7, 1)
    program = exact(network.serialise(network.convolution(dilated(network, x, kernel, block, 6, same), 3, 1)), config)
    assert kinds(program) == ["CONV_2D"] * 3


@pytest.mark.parametrize("kernel, block", IMAGES)
def test_depthwise(kernel, block):
    network = Network(2, (1, 9, 10, 5))
    x = network.convolution(network.input, 7, 1)
    program = exact(network.serialise(network.convolution(dilated(network, x, kernel, block), 3, 1)), PRESETS["edge"])
    assert kinds(program) == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]


def lines(network, x, blocks):
    """Causal convolutions along a line, each with a function behind it, as temporal networks have them."""
    for block in blocks:
        (_, width, _), missing = network.shape(x), 2 * block
        padded = network.add("PAD", [x, network.constant([[0, 0], [missing, 0], [0, 0]])],
                             (1, width + missing, network.shape(x)[2]), ("PadOptions", {}),
                             zero_point=network.zero_point(x))
        y = dilated(network, padded, (3,), (block,), 8, same=False)
        x = network.add("RELU", [y], network.shape(y))
    return x


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_lines(config):
    network = Network(3, (1, 1, 40, 6))
    x = reshaped(network, network.convolution(network.input, 8, 1), (1, 40, 8))
    y = lines(network, x, (1, 2, 5))
    y = reshaped(network, network.sum(x, y) if config.has_vector else y, (1, 1, 40, 8))
    program = exact(network.serialise(network.convolution(y, 3, 1)), config)
    assert kinds(program) == ["CONV_2D"] * 4 + ["ADD"] * config.has_vector + ["CONV_2D"]


@pytest.mark.parametrize("size", [1024, 1536, 2048])
def test_in_parts(size):
    network = Network(4, (1, 1, 160, 6))
    x = reshaped(network, network.convolution(network.input, 8, 1), (1, 160, 8))
    y = reshaped(network, lines(network, x, (1, 2, 5)), (1, 1, 160, 8))
    graph = parse(network.serialise(network.convolution(y, 3, 1), y))
    (whole, _, _), (parts, _, runs) = outputs(graph, small(65536)), outputs(graph, small(size))
    assert runs > 1 and all(np.array_equal(a, b) for a, b in zip(whole, parts))


def test_a_block_that_others_read_stays():
    network = Network(5, (1, 8, 8, 4))
    x = batches(network, network.convolution(network.input, 4, 1), (2, 2), ((2, 2), (2, 2)))
    y = joined(network, network.convolution(x, 5, 3, valid=True), (2, 2), ((0, 0), (0, 0)))
    graph = parse(network.serialise(y, x))
    program = compile_graph(graph, PRESETS["nano"])
    assert [layer.op for layer in program.layers if layer.unit == "host"] == [
        "SPACE_TO_BATCH_ND", "CONV_2D"]


def enlarged(network, x, order):
    """Rows and columns twice, as Keras' UpSampling2D has them converted."""
    same = dict(zero_point=network.zero_point(x))
    for axis in order:
        shape = list(network.shape(x))
        shape.insert(axis + 1, 1)
        y = network.add("EXPAND_DIMS", [x, network.constant(axis + 1)], shape, ("ExpandDimsOptions", {}), **same)
        times = [1] * 5
        times[axis + 1] = shape[axis + 1] = 2
        y = network.add("TILE", [y, network.constant(times)], shape, ("TileOptions", {}), **same)
        shape[axis:axis + 2] = [2 * shape[axis]]
        x = reshaped(network, y, shape)
    return x


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1,)])
def test_enlarged(order):
    """Not against the reference interpreter, which has no TILE: against the operators one by one on the host."""
    network = Network(6, (1, 4, 5, 6))
    y = enlarged(network, network.convolution(network.input, 6, 1), order)
    graph = parse(network.serialise(network.convolution(y, 3, 3)))
    program = compile_graph(graph, PRESETS["edge"])
    assert kinds(program) == ["CONV_2D", "RESIZE_NEAREST_NEIGHBOR", "CONV_2D"]
    inputs = random_inputs(graph, 1)
    values = {graph.inputs[0]: inputs[0][graph.inputs[0]]}
    for operator in graph.operators:
        values[operator.outputs[0]], = evaluate(graph, operator, values)
    result, = run_model(graph, program, ModelDevice(PRESETS["edge"]), inputs)
    assert np.array_equal(result.outputs[graph.outputs[0]], values[graph.outputs[0]])
