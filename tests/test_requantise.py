"""The requantise pipelines against the golden arithmetic, one new sample every cycle."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.requantise import RequantiseLane, Rescale
from systolith.sim.arithmetic import INT32_MAX, INT32_MIN, requantise, wrap32

CORNERS = [INT32_MIN, INT32_MIN + 1, -(1 << 30), -65537, -65536, -1, 0, 1, 65535, 65536, 1 << 30, INT32_MAX]


def stream_through(dut, inputs):
    """`result` for each row of the named inputs, fed without a gap."""
    count = len(next(iter(inputs.values())))
    results = []

    async def bench(ctx):
        for cycle in range(count + dut.LATENCY):
            for name, values in inputs.items():
                ctx.set(getattr(dut, name), int(values[min(cycle, count - 1)]))
            if cycle >= dut.LATENCY:
                results.append(ctx.get(dut.result))
            await ctx.tick()

    run_benches(dut, bench)
    return np.array(results)


def samples(seed, count):
    """Values of all magnitudes, multipliers and shifts; the corners first, with every shift."""
    rng = np.random.default_rng(seed)
    anything = rng.integers(INT32_MIN, INT32_MAX, count, endpoint=True)
    values = np.concatenate([np.tile(CORNERS, 62), anything >> rng.integers(0, 32, count)])
    multipliers = rng.integers(1 << 30, INT32_MAX, len(values), endpoint=True)
    multipliers[::7] = rng.choice([0, 1, 65535, 65536, 1 << 30, INT32_MAX], len(multipliers[::7]))
    shifts = np.concatenate([np.repeat(np.arange(-31, 31), len(CORNERS)), rng.integers(-31, 30, count, endpoint=True)])
    return values, multipliers, shifts


@pytest.mark.parametrize("dsps", range(4))
def test_rescale_is_the_reference_requantisation(dsps):
    value, multiplier, shift = samples(dsps, 1500)
    got = stream_through(Rescale(dsps), {"value": value, "multiplier": multiplier, "shift": shift})
    assert got.tolist() == requantise(value, multiplier, shift).tolist()


def test_rescale_rounds_ties_away_from_zero():
    shift = np.repeat(np.arange(-31, 0), 4)
    tie = np.tile([1, -1, 3, -3], 31) << (-shift - 1)
    value = np.clip(tie, INT32_MIN, INT32_MAX)
    got = stream_through(Rescale(3), {"value": value, "multiplier": np.full(len(value), INT32_MAX), "shift": shift})
    assert got.tolist() == requantise(value, INT32_MAX, shift).tolist()
    assert {(1, 1), (-1, -1), (3, 2), (-3, -2)} <= set(zip(np.tile([1, -1, 3, -3], 31).tolist(), got.tolist()))


def test_all_inputs_of_a_lane_belong_to_one_sample():
    accumulator, multiplier, shift = samples(3, 1500)
    rng = np.random.default_rng(4)
    count = len(accumulator)
    bias = rng.integers(INT32_MIN, INT32_MAX, count, endpoint=True) >> rng.integers(0, 32, count)
    zero_point, minimum, maximum = rng.integers(-128, 127, (3, count), endpoint=True)
    zero_point[::5] = rng.choice([-128, 127], len(zero_point[::5]))
    minimum, maximum = np.minimum(minimum, maximum), np.maximum(minimum, maximum)
    minimum[::3], maximum[::3] = -128, 127
    # A third with results near the int8 range, so that neither clamp hides them.
    accumulator[::3] = rng.integers(-400, 400, len(accumulator[::3]))
    bias[::3], multiplier[::3], shift[::3] = 0, 1 << 30, rng.integers(0, 2, len(shift[::3]))

    got = stream_through(RequantiseLane(1), {
        "accumulator": accumulator, "bias": bias, "multiplier": multiplier, "shift": shift, "zero_point": zero_point,
        "minimum": minimum, "maximum": maximum})
    rescaled = requantise(wrap32(accumulator + bias), multiplier, shift)
    assert got.tolist() == np.clip(rescaled + zero_point, minimum, maximum).tolist()
