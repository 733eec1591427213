"""Averages of windows that the image ends in: exact, whole and in parts."""

from dataclasses import replace

import pytest
from network_builder import Network
from systolith.rtl.config import PRESETS
from test_compile import CONFIGS
from test_transposed import exact

#: Kernel, stride, and the size of the image, which may be less than the window in one or both directions.
SHAPES = [(3, 1, (7, 5)), (2, 1, (4, 4)), (3, 2, (8, 9)), (5, 1, (6, 9)), (5, 1, (2, 7)), (5, 2, (3, 2)),
          (4, 3, (1, 8)), (2, 2, (5, 7))]


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.has_vector], ids=lambda config: config.name)
@pytest.mark.parametrize("kernel, stride, size", SHAPES)
def test_exact(kernel, stride, size, config):
    network = Network(1, (1, *size, 4))
    x = network.convolution(network.input, 19, 1)
    y = network.pool("AVERAGE_POOL_2D", x, kernel, stride, valid=False)
    exact(network.serialise(network.convolution(y, 3, 3)), config)


@pytest.mark.parametrize("size, buffer_bytes", [((40, 7), 1024), ((3, 90), 1024), ((16, 16), 2048)])
def test_in_parts(size, buffer_bytes):
    network = Network(2, (1, *size, 9))
    x = network.convolution(network.input, 12, 3)
    y = network.pool("AVERAGE_POOL_2D", network.pool("AVERAGE_POOL_2D", x, 3, 1, valid=False), 5, 2, valid=False)
    program = exact(network.serialise(network.convolution(y, 8, 1)),
                    replace(PRESETS["nano"], name="parts", unified_buffer_bytes=buffer_bytes))
    assert len(program.steps) > 1


def test_other_padding_around_the_same_image_is_no_matter():
    """The convolution needs its input's zero point around it, the average nothing."""
    network = Network(3, (1, 6, 6, 8))
    x = network.convolution(network.input, 8, 1)
    branches = network.convolution(x, 8, 3), network.pool("AVERAGE_POOL_2D", x, 3, 1, valid=False)
    exact(network.serialise(network.sum(*branches)), PRESETS["edge"])
