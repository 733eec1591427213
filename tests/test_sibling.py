"""TPU v1's networks, scaled down, on the RTL of its siblings: every counter as the cycle model predicts."""

import pytest
from systolith.host.sibling import compare, sibling
from systolith.host.workloads import WORKLOADS
from systolith.rtl.config import PRESETS


def test_a_sibling_has_v1s_proportions():
    small = sibling(8)
    assert (small.rows, small.cols, small.accumulator_depth, small.beats) == (32, 32, 512, PRESETS["v1"].beats)
    assert small.unified_buffer_bytes == PRESETS["v1"].unified_buffer_bytes // 64


def check(name, scale):
    result = compare(name, scale)
    assert result["counters"] == result["predicted"] and result["equal"]
    assert result["breakdown"]["useful_macs"] > 2
    if not name.startswith("CNN"):
        # The array waits for weights as TPU v1's does.
        assert result["breakdown"]["weight_stall"] > 50


@pytest.mark.parametrize("name", WORKLOADS)
def test_an_8x8_sibling_equals_the_cycle_model(name):
    check(name, 32)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKLOADS)
def test_the_32x32_sibling_equals_the_cycle_model(name):
    check(name, 8)
