"""Dilated convolutions as TensorFlow writes them, of images and of lines: one layer each, exact."""

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


@pytest.mark.parametrize("size", [480, 512])
def test_in_parts_beside_what_stays(size):
    network = Network(7, (1, 1, 20, 11))
    x = network.convolution(network.convolution(network.input, 11, 1), 11, 1)
    y = dilated(network, reshaped(network, x, (1, 20, 11)), (3,), (3,), 11)
    graph = parse(network.serialise(x, y))
    edge = replace(PRESETS["edge"], name="small", unified_buffer_bytes=size)
    (whole, _, _), (parts, _, runs) = outputs(graph, small(65536)), outputs(graph, edge)
    assert runs > 1 and all(np.array_equal(a, b) for a, b in zip(whole, parts))


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


def swapped(network):
    """Height and width change places in the blocks and back."""
    x = batches(network, network.convolution(network.input, 4, 1), (2, 2), ((0, 0), (0, 0)))
    x = network.convolution(reshaped(network, x, (4, 10, 4, 4)), 5, 3, valid=True)
    return joined(network, reshaped(network, x, (4, 2, 8, 5)), (2, 2), ((0, 0), (0, 0)))


def merged(network):
    """Batches of a line become one line and two again."""
    x = reshaped(network, network.convolution(network.input, 4, 1), (1, 160, 4))
    x = reshaped(network, batches(network, x, (2,), ((0, 0),)), (1, 1, 160, 4))
    x = network.convolution(x, 5, (1, 3), valid=True)
    return joined(network, reshaped(network, x, (2, 79, 5)), (2,), ((0, 0),))


def constant_line(network):
    """A line that is a constant, and one that is padded."""
    line = network.values((1, 6, 4))
    padded = network.add("PAD", [line, network.constant([[0, 0], [1, 1], [0, 0]])], (1, 8, 4), ("PadOptions", {}),
                         zero_point=network.zero_point(line))
    y = dilated(network, line, (3,), (2,), 4)
    return network.sum(reshaped(network, padded, (1, 1, 8, 4)), reshaped(network, network.add(
        "PAD", [y, network.constant([[0, 0], [2, 0], [0, 0]])], (1, 8, 4), ("PadOptions", {}),
        zero_point=network.zero_point(y)), (1, 1, 8, 4)))


def other_quantisation(network):
    """Reshapes behind which the bytes mean something else: before a function, and behind padding."""
    x = network.convolution(network.input, 4, 1)
    y = network.add("RESHAPE", [x, network.constant([1, 160, 4])], (1, 160, 4), ("ReshapeOptions", {}), zero_point=37)
    y = network.add("LOGISTIC", [y], (1, 160, 4), scale=1 / 256, zero_point=-128)
    y = network.add("PAD", [y, network.constant([[0, 0], [2, 0], [0, 0]])], (1, 162, 4), ("PadOptions", {}),
                    scale=1 / 256, zero_point=-128)
    y = network.add("RESHAPE", [y, network.constant([1, 1, 162, 4])], (1, 1, 162, 4), ("ReshapeOptions", {}),
                    zero_point=5)
    return network.convolution(y, 4, (1, 3))


@pytest.mark.parametrize("dump", [False, True])
@pytest.mark.parametrize("make", [swapped, merged, constant_line, other_quantisation])
def test_what_only_looks_alike(make, dump):
    network = Network(8, (1, 8, 20, 3))
    graph = parse(network.serialise(make(network)))
    assert one_by_one(graph, dump)


def one_by_one(graph, dump=False):
    """Whether a program's output equals that of the operators one by one on the host."""
    config = PRESETS["edge"]
    inputs = random_inputs(graph, 1)
    values = {graph.inputs[0]: inputs[0][graph.inputs[0]]}
    for operator in graph.operators:
        values[operator.outputs[0]], = evaluate(graph, operator, values)
    result, = run_model(graph, compile_graph(graph, config, dump=dump), ModelDevice(config), inputs)
    return np.array_equal(result.outputs[graph.outputs[0]], values[graph.outputs[0]])


def enlarged(network, x, order, count=2):
    """Rows and columns so many times, as Keras' UpSampling2D has them converted."""
    same = dict(zero_point=network.zero_point(x))
    for axis in order:
        shape = list(network.shape(x))
        shape.insert(axis + 1, 1)
        y = network.add("EXPAND_DIMS", [x, network.constant(axis + 1)], shape, ("ExpandDimsOptions", {}), **same)
        times = [1] * 5
        times[axis + 1] = shape[axis + 1] = count
        y = network.add("TILE", [y, network.constant(times)], shape, ("TileOptions", {}), **same)
        shape[axis:axis + 2] = [count * shape[axis]]
        x = reshaped(network, y, shape)
    return x


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1,)])
def test_enlarged(order):
    """Not against the reference interpreter, which has no TILE."""
    network = Network(6, (1, 4, 5, 6))
    y = enlarged(network, network.convolution(network.input, 6, 1), order)
    graph = parse(network.serialise(network.convolution(y, 3, 3)))
    assert kinds(compile_graph(graph, PRESETS["edge"])) == ["CONV_2D", "RESIZE_NEAREST_NEIGHBOR", "CONV_2D"]
    assert one_by_one(graph)


def test_enlarged_so_much_that_the_other_operator_rounds():
    network = Network(6, (1, 1, 3, 4))
    assert one_by_one(parse(network.serialise(enlarged(network, network.convolution(network.input, 4, 1), (2,), 41))))
