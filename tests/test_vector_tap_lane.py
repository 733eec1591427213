"""One reducing lane against numpy."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.isa import Function
from systolith.rtl.vector_tap_lane import TapLane

CORNERS = (-128, -127, -1, 0, 1, 127)


def reduce(function, windows, weights):
    """What a step of these reads comes to."""
    newest = windows[:, -1]
    if function == Function.DEPTHWISE:
        return int((windows * weights).sum())
    if function in (Function.SUM, Function.AVERAGE):
        return int(newest.sum())
    if function == Function.MAXIMUM:
        return int(newest.max())
    return int(newest[0]) & 255 | int(newest[-1]) << 8


@pytest.mark.parametrize("dsp", [True, False])
@pytest.mark.parametrize("taps", [1, 2, 3, 8])
def test_every_function_back_to_back(taps, dsp):
    rng = np.random.default_rng(taps)
    samples, expected = [], []
    for number in range(60):
        function = Function(number % len(Function))
        reads = 2 if function in (Function.ADD, Function.SUBTRACT, Function.MULTIPLY) else int(rng.integers(1, 5))
        windows, weights = (rng.choice(CORNERS, (reads, taps)) if number < 20 else
                            rng.integers(-128, 128, (reads, taps)) for _ in range(2))
        for i in range(reads):
            # A cycle without a read may lie before the last.
            if i == reads - 1 and rng.integers(2):
                samples.append((windows[0], weights[0], function, 0, 0))
                expected.append(None)
            samples.append((windows[i], weights[i], function, 1, i == 0))
            expected.append(None)
        expected[-1] = reduce(function, windows, weights)

    dut = TapLane(taps, dsp)
    delay = TapLane.control_delay(taps)
    idle = (np.zeros(taps, int), np.zeros(taps, int), Function.SUM, 0, 0)

    async def bench(ctx):
        for i in range(len(samples) + delay + 2):
            window, weights, function, *_ = samples[i] if i < len(samples) else idle
            ctx.set(dut.window, int.from_bytes(window.astype(np.int8).tobytes(), "little"))
            ctx.set(dut.weights, int.from_bytes(weights.astype(np.int8).tobytes(), "little"))
            ctx.set(dut.weighted, function == Function.DEPTHWISE)
            *_, function, en, first = samples[i - delay] if 0 <= i - delay < len(samples) else idle
            ctx.set(dut.function, function)
            ctx.set(dut.en, en)
            ctx.set(dut.first, first)
            if i > delay + 1 and expected[i - delay - 2] is not None:
                assert ctx.get(dut.value) == expected[i - delay - 2] & 0xFFFFFFFF, (i, samples[i - delay - 2])
            await ctx.tick()

    run_benches(dut, bench)
