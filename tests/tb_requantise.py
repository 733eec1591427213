"""The requantise lane against its twin in systolith.sim.arithmetic, a value a cycle."""

import cocotb
import numpy as np
from systolith.rtl.requantise import RequantiseLane
from systolith.sim.arithmetic import INT32_MAX, INT32_MIN, requantise, wrap32
from systolith.sim.cocotb_bus import cycle, start
from systolith.sim.cocotb_runner import settings

VALUES = 6000
INPUTS = ("accumulator", "bias", "multiplier", "shift", "zero_point", "minimum", "maximum")


def stimulus(rng):
    """Inputs by name: corners, values of all magnitudes, and shifts that bring results near the range of int8."""
    magnitude = rng.integers(0, 32, (2, VALUES))
    accumulator, bias = rng.integers(INT32_MIN, INT32_MAX, (2, VALUES), endpoint=True) >> magnitude
    corner = rng.random(VALUES) < 0.1
    accumulator = np.where(corner, rng.choice([INT32_MIN, INT32_MAX, -1, 0, 1], VALUES), accumulator)
    multiplier = np.where(rng.random(VALUES) < 0.1, rng.choice([0, 1, 1 << 30, INT32_MAX], VALUES),
                          rng.integers(1 << 30, 1 << 31, VALUES))
    shift = np.where(rng.random(VALUES) < 0.5, rng.integers(-31, 31, VALUES),
                     np.maximum(magnitude.min(axis=0) - 24, -31))
    limits = np.sort(rng.integers(-128, 128, (2, VALUES)), axis=0)
    limits[:, rng.random(VALUES) < 0.7] = [[-128], [127]]
    return dict(zip(INPUTS, (accumulator, bias, multiplier, shift, rng.integers(-128, 128, VALUES), *limits)))


@cocotb.test()
async def results_as_by_arithmetic(dut):
    told = settings()
    values = stimulus(np.random.default_rng(told.seed))
    scaled = requantise(wrap32(values["accumulator"] + values["bias"]), values["multiplier"], values["shift"])
    expected = np.clip(scaled + values["zero_point"], values["minimum"], values["maximum"])
    assert len(np.unique(expected)) == 256

    await start(dut, told.inputs)
    for now in range(VALUES + RequantiseLane.LATENCY):
        for name in INPUTS:
            port = dut[name]
            port.value = int(values[name][now % VALUES]) & ((1 << len(port)) - 1)
        await cycle(dut)
        if (entered := now - RequantiseLane.LATENCY) >= 0:
            assert dut.result.value.to_signed() == expected[entered], entered
