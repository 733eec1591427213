"""An operand of one pixel for all others, as squeeze and excitation has it: exact, whole and in parts."""

from dataclasses import replace

import pytest
from network_builder import Network
from systolith.host.compiler.broadcast import BroadcastLayer
from systolith.host.compiler.compile import compile_graph
from systolith.host.tflite import parse
from systolith.rtl.config import PRESETS
from test_transposed import exact

UNEVEN = replace(PRESETS["nano"], name="uneven", rows=6, cols=12, requantise_lanes=4)


def excitation(kind, first, channels, size, kernel):
    """A kernel of 3 behind the product has padding stored around it."""
    network = Network(channels, (1, *size, 5))
    x = network.convolution(network.input, channels, 1)
    mean = network.mean(x)
    scale = network.add("LOGISTIC", [mean], network.shape(mean), scale=1 / 256, zero_point=-128)
    y = network.add(kind, [x, scale] if first else [scale, x], network.shape(x), (f"{kind.title()}Options", {}))
    return network.serialise(network.convolution(y, 5, kernel))


@pytest.mark.parametrize("config", [PRESETS["edge"], PRESETS["nano"], UNEVEN], ids=lambda config: config.name)
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (9, 8), (1, 30), (17, 3)])
@pytest.mark.parametrize("kind, first, channels", [
    ("MUL", True, 16), ("MUL", False, 48), ("SUB", False, 20), ("ADD", True, 3), ("SUB", True, 112)])
def test_exact(kind, first, channels, size, kernel, config):
    exact(excitation(kind, first, channels, size, kernel), config)


@pytest.mark.parametrize("channels, size", [(16, 1024), (16, 2048), (40, 3072), (40, 4096)])
def test_in_parts(channels, size):
    program = exact(excitation("MUL", True, channels, (20, 6), 3), replace(PRESETS["nano"], unified_buffer_bytes=size))
    assert len(program.steps) > 1


@pytest.mark.parametrize("channels, repeated", [(16, True), (672, False)])
def test_wide_operands_are_not_repeated(channels, repeated, monkeypatch):
    places = []
    copies = BroadcastLayer.copies
    monkeypatch.setattr(BroadcastLayer, "copies", lambda *arguments: places.append(1) or copies(*arguments))
    compile_graph(parse(excitation("MUL", True, channels, (5, 5), 1)), PRESETS["edge"])
    assert bool(places) == repeated
