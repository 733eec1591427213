"""The MAC cell, in every cycle, against its definition."""

import cocotb
import numpy as np
from systolith.rtl.mac import EastboundLayout, MacCell
from systolith.sim.cocotb_bus import cycle, start
from systolith.sim.cocotb_runner import settings

CORNERS = [-128, -127, -1, 0, 1, 127]
CYCLES = 2000


@cocotb.test()
async def every_cycle_as_defined(dut):
    told = settings()
    rng = np.random.default_rng(told.seed)
    layout, latency = EastboundLayout(), MacCell.latency(told.config.multiplier)
    upper, lower, weights = (np.where(rng.random(CYCLES) < 0.5, rng.choice(CORNERS, CYCLES),
                                      rng.integers(-128, 128, CYCLES)).tolist() for _ in "aaw")
    switches, shifts = (rng.random(CYCLES) < 0.3 for _ in "ss")
    sums = rng.integers(-1 << 17, 1 << 17, CYCLES)

    shadow = active = (0, 0)
    expected = []
    for *a, weight, switch, shift in zip(upper, lower, weights, switches, shifts):
        if switch:
            active = shadow
        if shift:
            shadow = weight, shadow[0]
        term = a[0] * active[0] + a[1] * active[1]
        if told.config.multiplier == "winograd":
            term += a[0] * a[1] + active[0] * active[1]
        expected.append((term, shadow[1]))

    wests = [layout.const({"activations": a, "switch": int(switch), "shift": int(shift)}).as_value().value
             for *a, switch, shift in zip(upper, lower, switches, shifts)]

    await start(dut, told.inputs)
    for t in range(CYCLES):
        dut.west.value = wests[t]
        dut.weight.value = weights[t] & 0xFF
        dut.sum.value = int(sums[t]) & 0x7FFFF
        await cycle(dut)
        if t > 0:
            assert int(dut.east.value) == wests[t - 1], t
            assert dut.weight_out.value.to_signed() == expected[t - 1][1], t
        if t >= latency:
            assert dut.sum_out.value.to_signed() == expected[t - latency][0] + sums[t - 1], t
