"""Depthwise convolutions with windows of all kinds: exact, on the unit that takes fewer cycles."""

from dataclasses import replace

import numpy as np
import pytest
from network_builder import Network
from systolith.host.compiler.depthwise import slides
from systolith.rtl.config import PRESETS
from test_compile import CONFIGS
from test_transposed import exact

EDGE = PRESETS["edge"]

#: Kernel, stride, dilation.
WINDOWS = [(5, 1, 1), (5, 2, 1), (7, 1, 1), (7, 2, 1), (4, 1, 1), (4, 2, 1), (6, 3, 1), ((3, 5), (2, 1), 1),
           ((5, 2), (1, 2), 1), ((1, 8), 1, 1), ((9, 1), 3, 1), (3, 1, 2), (3, 2, 2), ((2, 3), 1, (3, 1)), (2, 3, 1)]


def wide_windows():
    """A model, as bytes, whose depthwise kernels take several windows each."""
    network = Network(6, (1, 12, 11, 12))
    x = network.depthwise(network.depthwise(network.input, 5), 7, 2)
    x = network.depthwise(network.depthwise(x, 3, dilation=2), 5, 2)
    return network.serialise(network.depthwise(x, (2, 4)))


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", range(1, 10))
def test_slides_have_every_tap_once(kernel, stride, dilation, width):
    found = slides(kernel, stride, dilation, width)
    pixels = np.random.default_rng(kernel).integers(-9, 9, 64)
    for slide in found:
        taps = slide.taps(kernel, dilation, width)
        assert sorted(taps[taps >= 0]) == list(range(kernel))
        # Where the first step's first window ends, each output is the kernel at its place.
        for n in range(3):
            step, total = slide.first + n * slide.apart, np.zeros(kernel)
            for read, places in enumerate(taps):
                for place, tap in enumerate(places):
                    if tap >= 0:
                        age = width - 1 - place
                        assert age <= step      # the window has been there
                        total[tap] += pixels[slide.lead + (step - age) * slide.advance + read * slide.spread]
            assert (total == pixels[n * stride + np.arange(kernel) * dilation]).all()
    # At least one reads nothing beside what its outputs see.
    assert any(slide.lead == 0 and slide.last(4) == 3 * stride + (kernel - 1) * dilation for slide in found)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("valid", [False, True], ids=["same", "valid"])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_exact(window, valid, config):
    for channels in (3, 20):
        network = Network(1, (1, 11, 12, 5))
        x = network.convolution(network.input, channels, 1)
        y = network.depthwise(x, *window[:2], valid, window[2])
        exact(network.serialise(network.convolution(y, 3, 1)), config)


@pytest.mark.parametrize("window", WINDOWS[:8], ids=str)
def test_in_parts(window):
    network = Network(2, (1, 24, 30, 8))
    y = network.depthwise(network.convolution(network.input, 24, 1), *window[:2], dilation=window[2])
    program = exact(network.serialise(network.convolution(y, 8, 1)),
                    replace(PRESETS["nano"], name="parts", unified_buffer_bytes=6144))
    assert len(program.steps) > 1


@pytest.mark.parametrize("kernel, stride, dilation", [(3, 1, 1), (5, 1, 1), (5, 2, 1), (7, 1, 1), (3, 1, 2)])
def test_many_channels_are_for_the_vector_unit(kernel, stride, dilation):
    network = Network(3, (1, 14, 14, 32))
    y = network.depthwise(network.input, kernel, stride, dilation=dilation)
    assert [layer.unit for layer in exact(network.serialise(y), EDGE).layers] == ["vector"]


def test_what_needs_more_kernel_rows_is_for_the_array():
    network = Network(4, (1, 14, 14, 32))
    content = network.serialise(network.depthwise(network.input, 5))
    for rows, unit in (9, "matrix"), (10, "vector"):
        config = replace(EDGE, name="rows", vector_kernel_rows=rows)
        assert [layer.unit for layer in exact(content, config).layers] == [unit]


@pytest.mark.parametrize("before", [False, True])
def test_what_reads_beside_the_image_stays_inside_the_buffer(before):
    """A stride of 2 and a kernel of 5 read a column beside it, where there is memory at one side of the tensor."""
    network = Network(5, (1, 1, 21, 32))
    x = network.convolution(network.input, 32, 1) if before else network.input
    content = network.serialise(network.depthwise(x, (1, 5), 2, True))
    for spare in range(16, 128, 16):
        exact(content, replace(EDGE, name="tight", unified_buffer_bytes=2 * 21 * 32 + spare))
