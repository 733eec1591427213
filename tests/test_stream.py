"""Networks that are larger than the chip in every way: every operator's output equals the reference interpreter's."""

import numpy as np
import pytest
from network_builder import Network
from systolith.host.check import ExactCheck
from systolith.host.compiler.box import Box
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.inputs import random_inputs
from systolith.host.program import Program
from systolith.host.run import describe, run_model, streaming
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.host.trace import occupancy, slices
from systolith.rtl.config import PRESETS, Config
from systolith.sim.cycle_device import CycleDevice
from systolith.sim.model_device import ModelDevice

#: No tensor of the network below fits the buffer whole, nor its weights or instructions their memories.
TINY = Config(name="tiny", rows=4, cols=4, accumulator_depth=32, unified_buffer_bytes=2048, weight_fifo_tiles=2,
              weight_memory_rows=256, requantise_lanes=2, parameter_slots=2, instruction_depth=64, queue_depth=4,
              tag_depth=3, packet_bytes=128)
BARE = Config.from_dict({**TINY.as_dict(), "vector_taps": 0, "rows": 6, "unified_buffer_bytes": 4096}, "bare")
WIDE = Config.from_dict({**TINY.as_dict(), "rows": 12, "cols": 10, "requantise_lanes": 5, "packet_bytes": 200,
                         "unified_buffer_bytes": 3072}, "wide")


def network(seed, size=24):
    net = Network(seed, (1, size, size + 3, 6))
    x = net.convolution(net.input, 8, stride=2, relu=True)
    y = net.convolution(x, 20, kernel=1)
    y = net.depthwise(y)
    y = net.convolution(y, 8, kernel=1)
    x = net.sum(x, y)  # the block's input is needed with the rows around it, and here without
    x = net.add("LEAKY_RELU", [x], net.shape(x), ("LeakyReluOptions", {"alpha": 0.2}))
    y = net.depthwise(x, kernel=5, stride=2)
    y = net.convolution(y, 12, dilation=2)
    y = net.pool("MAX_POOL_2D", y, 2, 1)
    y = net.pool("AVERAGE_POOL_2D", y, 2, 2)
    mean = net.mean(y)
    y = net.add("RESHAPE", [y], (1, int(np.prod(net.shape(y)))), ("ReshapeOptions", {}))
    y = net.fully_connected(y, 50)
    return net.serialise(x, mean, net.fully_connected(y, 10))


def mobilenet_v2(seed):
    """The network of Sandler et al., 2018: 224x224 pixels, 300 million MACs, 3.5 million weights."""
    net = Network(seed, (1, 224, 224, 3))
    x = net.convolution(net.input, 32, stride=2, relu=True)
    x = net.convolution(net.depthwise(x), 16, kernel=1)
    for expansion, channels, blocks, stride in ((6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                                (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(blocks):
            y = net.convolution(x, net.shape(x)[3] * expansion, kernel=1, relu=True)
            y = net.depthwise(y, stride=1 if block else stride)
            y = net.convolution(y, channels, kernel=1)
            x = net.sum(x, y) if block else y
    x = net.convolution(x, 1280, kernel=1)
    return net.serialise(net.fully_connected(net.mean(x), 1000))


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.tflite"
    path.write_bytes(network(0))
    return load(path)


@pytest.mark.parametrize("config", [TINY, BARE, WIDE], ids=lambda c: c.name)
@pytest.mark.parametrize("seed", range(2))
def test_a_network_larger_than_the_chip_is_exact(tmp_path, config, seed):
    content = network(seed, size=24 + seed)
    (tmp_path / "net.tflite").write_bytes(content)
    graph = load(tmp_path / "net.tflite")
    check = ExactCheck(graph, content)
    run_model(graph, compile_graph(graph, config), CycleDevice(config), random_inputs(graph, 2, seed), check)
    assert check.mismatches == []


@pytest.mark.slow
def test_mobilenet_v2_is_exact_on_edge(tmp_path):
    content = mobilenet_v2(0)
    (tmp_path / "net.tflite").write_bytes(content)
    graph = load(tmp_path / "net.tflite")
    program, check = compile_graph(graph, PRESETS["edge"]), ExactCheck(graph, content)
    run_model(graph, program, ModelDevice(PRESETS["edge"]), random_inputs(graph), check)
    assert check.mismatches == []
    assert {layer.unit for layer in program.layers} == {"matrix", "vector"}
    assert sum(layer.macs for layer in program.layers) > 300e6


def test_memories_are_overrun_in_every_way(graph):
    program = compile_graph(graph, TINY)
    assert {layer.op for layer in program.layers if layer.parts} >= {
        "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "LEAKY_RELU"}
    assert {layer.op for layer in program.layers if layer.unit == "host"} <= {"RESHAPE"}
    assert len(program.weights) > 2 and len(program.instructions) > 2
    assert all(len(image) <= 16 * TINY.instruction_depth for image in program.instructions)
    assert all(len(image) <= TINY.weight_memory_rows for image in program.weights)
    for step in program.steps:
        assert all(t.base + t.size <= TINY.unified_buffer_bytes for t in step.layouts.values())


def test_what_leaves_the_chip_is_made_once_and_whole(graph):
    program = compile_graph(graph, TINY)
    for output in graph.outputs:
        height, width, channels = (1, *graph.tensors[output].shape)[-3:]
        made = np.zeros((height, width, channels), int)
        for step in program.steps:
            if output in step.reads:
                made[step.boxes.get(output, Box.whole(made.shape)).index] += 1
        assert (made == 1).all()


def test_traffic_is_what_crosses_the_link(graph, monkeypatch):
    program, sent = compile_graph(graph, TINY), []
    with Driver(ModelDevice(TINY), TINY) as driver:
        session = Session(driver)
        session.load(program)
        values = random_inputs(graph)[0]
        session.infer(values)
        write, read = driver.write, driver.read
        monkeypatch.setattr(driver, "write", lambda space, address, data, progress=None: (
            sent.append(len(data)), write(space, address, data, progress)))
        monkeypatch.setattr(driver, "read", lambda space, address, words: (
            sent.append(words if space.name == "UNIFIED_BUFFER" else 0), read(space, address, words))[1])
        session.infer(values)
    assert sum(sent) == sum(program.traffic().values())


def test_a_program_in_parts_survives_its_file(graph):
    program = compile_graph(graph, TINY)
    again = Program.from_bytes(program.to_bytes())
    assert again.to_bytes() == program.to_bytes()
    inputs = random_inputs(graph)
    one, other = (run_model(graph, p, CycleDevice(TINY), inputs)[0] for p in (program, again))
    assert all(np.array_equal(one.outputs[t], other.outputs[t]) for t in graph.outputs)
    assert one.counters == other.counters and one.layer_counters == other.layer_counters


def test_the_report_names_what_is_streamed_and_what_it_moves(graph):
    program = compile_graph(graph, TINY)
    report = describe(program, "cycles", run_model(graph, program, CycleDevice(TINY), random_inputs(graph)))
    assert [o["operator"] for o in report["streamed"]] == [n for n, layer in enumerate(program.layers) if layer.parts]
    assert report["traffic"]["inputs"] >= 24 * 27 * 6 and report["runs"] > 10
    total = sum(layer["cycles"] or 0 for layer in report["layers"])
    assert 0.9 * report["cycles"] < total <= report["cycles"]


def test_the_trace_goes_through_all_runs(graph):
    program = compile_graph(graph, TINY)
    found, totals = slices(program)
    result = run_model(graph, program, CycleDevice(TINY), random_inputs(graph))[0]
    assert totals == result.counters
    assert {s.operator for s in found} >= {n for n, layer in enumerate(program.layers) if layer.macs}
    sizes = [size for _, size in occupancy(program, found)]
    assert 0 < max(sizes) <= TINY.unified_buffer_bytes and sizes[-1] == 0


def test_a_program_that_fits_is_loaded_once_and_not_cut(graph):
    program = compile_graph(graph, Config())
    assert streaming(program)["streamed"] == []
    assert len(program.weights) == len(program.instructions) == 1
    assert program.traffic()["weights"] == program.traffic()["instructions"] == 0


def test_a_layer_whose_smallest_part_does_not_fit_goes_to_the_host(graph):
    few = Config.from_dict({**TINY.as_dict(), "weight_memory_rows": 40}, "few")
    program = compile_graph(graph, few)
    reasons = {layer.op: layer.reason for layer in program.layers if layer.unit == "host"}
    assert "but the weight memory holds 160" in reasons["FULLY_CONNECTED"]
    result = run_model(graph, program, ModelDevice(few), random_inputs(graph))[0]
    expected = run_model(graph, compile_graph(graph, Config()), ModelDevice(Config()), random_inputs(graph))[0]
    assert all(np.array_equal(result.outputs[t], expected.outputs[t]) for t in graph.outputs)
    small = Config.from_dict({**TINY.as_dict(), "unified_buffer_bytes": 256}, "small")
    reasons = {layer.reason for layer in compile_graph(graph, small).layers if layer.unit == "host"}
    assert "not even a part of its input and output fits the unified buffer" in reasons
