"""Rows of a tensor that two parts of a network need stay in the unified buffer: exact, and made once."""

from dataclasses import replace

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
from test_transposed import exact


def small(size):
    return replace(PRESETS["nano"], name="small", unified_buffer_bytes=size)


def chain(kernels, height=40, width=12):
    """A network of depthwise convolutions (kernel, stride), each between two of pixels."""
    network = Network(1, (1, height, width, 8))
    x = network.input
    for kernel, stride in kernels:
        x = network.depthwise(network.convolution(x, 24, 1), kernel, stride)
        x = network.convolution(x, 8, 1)
    return network.serialise(x)


CHAINS = {"3": [(3, 1)], "5": [(5, 1)], "3 / 2": [(3, 2)], "5 / 2": [(5, 2)], "3, 3": [(3, 1), (3, 1)],
          "3 / 2, 5": [(3, 2), (5, 1)], "1, 3, 3 / 2": [(1, 1), (3, 1), (3, 2)]}


@pytest.mark.parametrize("size", [3072, 4096, 6144, 8192])
@pytest.mark.parametrize("kernels", CHAINS.values(), ids=CHAINS)
def test_exact(kernels, size):
    program = exact(chain(kernels), small(size))
    assert len(program.steps) > 1


def outputs(graph, config):
    """What a model makes of a random input, the counters of the runs, and their number."""
    program = compile_graph(graph, config)
    result, = run_model(graph, program, ModelDevice(config), random_inputs(graph, 1, seed=1))
    runs = [step for step in program.steps if step.operator is None]
    return [result.outputs[t] for t in graph.outputs], result.counters, len(runs)


def test_on_the_chip():
    graph, nano = parse(chain(CHAINS["3 / 2, 5"], 96, 40)), PRESETS["nano"]
    program, inputs = compile_graph(graph, nano), random_inputs(graph, 1, seed=1)
    assert len(program.steps) > 1
    device = VerilatorDevice(nano)
    (chip,), (model,) = (run_model(graph, program, on, inputs) for on in (device, ModelDevice(nano)))
    device.close()
    assert all(np.array_equal(chip.outputs[t], model.outputs[t]) for t in graph.outputs)


def test_rows_are_made_once():
    graph = parse(chain(CHAINS["5"]))
    _, whole, _ = outputs(graph, small(65536))
    _, parts, runs = outputs(graph, small(6144))
    assert runs > 1
    assert parts["array_active"] == whole["array_active"]


def padded(kernel, channels):
    """A network whose last bands are padding alone: what is kept is not wanted any more."""
    network = Network(1, (1, 24, 12, 4))
    x = network.depthwise(network.convolution(network.input, channels, 1), kernel)
    x = network.convolution(x, 8, 1)
    return network.serialise(network.add(
        "PAD", [x, network.constant([[0, 0], [0, 2], [0, 0], [0, 0]])], (1, 26, 12, 8), ("PadOptions", {}),
        zero_point=network.zero_point(x)))


def upside_down():
    """A network whose bands go upwards: the padding on top grows from one to the next."""
    network = Network(1, (1, 12, 10, 4))
    x = network.convolution(network.convolution(network.input, 16, 1), 16, 3)
    return network.serialise(network.add(
        "GATHER", [x, network.constant([*range(11, -1, -1)])], (1, 12, 10, 16),
        ("GatherOptions", {"axis": 1, "batchDims": 0}), zero_point=network.zero_point(x)))


@pytest.mark.parametrize("content, size", [
    (padded(3, 16), 1536), (padded(5, 16), 2048), (padded(3, 24), 2048), (padded(5, 24), 3072), (upside_down(), 1024)])
def test_rows_that_are_not_wanted_any_more(content, size):
    graph = parse(content)
    (whole,), *_ = outputs(graph, small(1 << 20))
    (parts,), *_ = outputs(graph, small(size))
    assert np.array_equal(whole, parts)


def random_network(seed):
    """Layers of all kinds one behind the other, with ways around some of them."""
    rng = np.random.default_rng(seed)

    def number(low, high):
        return int(rng.integers(low, high, endpoint=True))

    network = Network(seed, (1, number(14, 40), number(3, 14), number(2, 12)))
    x, around = network.input, []
    for _ in range(number(3, 7)):
        _, height, width, channels = network.shape(x)
        kernel, stride = number(1, 5), number(1, 2) if min(height, width) > 6 else 1
        kind = number(0, 6)
        if kind == 0:
            x = network.convolution(x, number(2, 24), 1)
        elif kind == 1:
            x = network.convolution(x, number(2, 24), kernel, stride)
        elif kind in (2, 3):
            x = network.depthwise(x, kernel, stride)
        elif kind == 4:
            x = network.pool(("MAX_POOL_2D", "AVERAGE_POOL_2D")[number(0, 1)], x, number(2, 3), stride, valid=False)
        else:
            others = [t for t in around if network.shape(t) == network.shape(x)]
            x = network.sum(x, others[number(0, len(others) - 1)] if others else
                            network.convolution(x, channels, 3))
        around.append(x)
    return network.serialise(x)


@pytest.mark.parametrize("seed", range(24))
def test_random_networks(seed):
    graph = parse(random_network(seed))
    whole, *_ = outputs(graph, small(1 << 20))
    for size in (2048, 3072, 5120):
        parts, *_ = outputs(graph, small(size))
        assert all(np.array_equal(a, b) for a, b in zip(whole, parts))
