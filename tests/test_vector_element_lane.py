"""One element-wise lane against the chip's arithmetic."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.isa import Function
from systolith.rtl.vector_element_lane import ElementLane
from systolith.sim.arithmetic import requantise, wrap32

CORNERS = (-128, -127, -1, 0, 1, 127)


def element(function, value, settings):
    zero_a, zero_b, *rescaling = settings
    a = int(np.uint8(value & 255).astype(np.int8)) - zero_a
    b = int(np.uint8(value >> 8 & 255).astype(np.int8)) - zero_b
    rescaled_a, rescaled_b = (requantise(x << 20, multiplier, min(shift, 0))
                              for x, multiplier, shift in ((a, *rescaling[:2]), (b, *rescaling[2:])))
    return int({
        Function.ADD: wrap32(rescaled_a + rescaled_b), Function.SUBTRACT: wrap32(rescaled_a - rescaled_b),
        Function.MULTIPLY: a * b, Function.AVERAGE: wrap32(256 * value),
    }.get(function, wrap32(value)))


@pytest.mark.parametrize("dsp", [True, False])
@pytest.mark.parametrize("settings", [
    (0, 0, 1 << 30, 0, 1 << 30, 0), (-128, 127, (1 << 31) - 1, -1, 1431655765, 3), (127, -128, 1 << 30, -31, 0, 0),
    (3, -7, 1234567890, -4, 2000000000, -2)])
def test_functions_back_to_back(settings, dsp):
    rng = np.random.default_rng(1)
    corners = [(a & 255) | (b & 255) << 8 for a in CORNERS for b in CORNERS]
    values = corners + rng.integers(0, 1 << 32, 100).tolist()
    samples = [(Function(function), value) for value in values for function in rng.permutation(7)[:3]]
    dut = ElementLane(dsp)

    async def bench(ctx):
        for name, value in zip(("zero_point_a", "zero_point_b", "multiplier_a", "shift_a", "multiplier_b", "shift_b"),
                               settings):
            ctx.set(getattr(dut, name), value)
        for i in range(len(samples) + dut.LATENCY):
            if i < len(samples):
                function, value = samples[i]
                ctx.set(dut.function, function)
                ctx.set(dut.value, value)
            if i >= dut.LATENCY:
                sample = samples[i - dut.LATENCY]
                assert ctx.get(dut.accumulator) == element(*sample, settings), sample
            await ctx.tick()

    run_benches(dut, bench)
