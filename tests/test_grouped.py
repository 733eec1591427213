"""Grouped convolutions on the array: exact, and no more rows of weights than the groups need."""

from dataclasses import replace

import pytest
from network_builder import Network
from systolith.rtl.config import PRESETS
from test_compile import CONFIGS
from test_transposed import exact


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("channels, outputs, groups", [(6, 4, 2), (12, 24, 3), (32, 32, 8), (16, 48, 16)])
def test_exact(channels, outputs, groups, config):
    network = Network(1, (1, 5, 6, 4))
    x = network.convolution(network.input, channels, 1)
    y = network.convolution(x, outputs, 3, groups=groups)
    exact(network.serialise(network.convolution(y, 3, 1)), config)


def test_in_parts():
    network = Network(2, (1, 20, 10, 8))
    y = network.convolution(network.convolution(network.input, 32, 1), 64, 3, groups=4, stride=2)
    program = exact(network.serialise(y), replace(PRESETS["nano"], name="bands", unified_buffer_bytes=4096))
    assert len(program.steps) > 1


def test_groups_of_whole_columns_take_no_zeros():
    def rows(groups):
        network = Network(3, (1, 6, 6, 64))
        content = network.serialise(network.convolution(network.input, 64, 3, groups=groups))
        return sum(image.nbytes for image in exact(content, PRESETS["edge"]).weights)

    # 64 channels in four groups are what a tile of the array holds: a quarter of the tiles, and as many parameters.
    assert rows(4) < 0.3 * rows(1)


def test_a_channel_a_group_is_for_the_vector_unit():
    network = Network(4, (1, 6, 6, 20))
    program = exact(network.serialise(network.convolution(network.input, 20, 3, groups=20)), PRESETS["edge"])
    assert [layer.unit for layer in program.layers] == ["vector"]
