"""The parameter store: what rows of bytes mean to the lanes."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from systolith.rtl.config import Config
from systolith.rtl.isa import Destination
from systolith.rtl.parameters import ParameterStore

CONFIGS = [
    Config(rows=3, cols=4, requantise_lanes=1, parameter_slots=2),
    Config(rows=4, cols=6, requantise_lanes=3, parameter_slots=3),
]


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


async def load(ctx, dut, destination, slot, index, row):
    """One row on the load bus."""
    ctx.set(dut.load.valid, 1)
    ctx.set(dut.load.destination, destination)
    ctx.set(dut.load.slot, slot)
    ctx.set(dut.load.index, index)
    ctx.set(dut.load.data, int.from_bytes(row.astype(np.uint8).tobytes(), "little"))
    await ctx.tick()
    ctx.set(dut.load.valid, 0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cols}x{c.requantise_lanes}")
def test_each_slot_and_beat_gives_its_columns(config):
    rng = np.random.default_rng(config.cols)
    slots, cols, lanes = config.parameter_slots, config.cols, config.requantise_lanes
    bias = rng.integers(-(1 << 31), (1 << 31) - 1, (slots, cols), endpoint=True)
    multiplier = rng.integers(0, (1 << 31) - 1, (slots, cols), endpoint=True)
    shift = rng.integers(-31, 30, (slots, cols), endpoint=True)
    bias[0, :2], shift[0, :2] = [-(1 << 31), -1], [-31, 30]
    dut = ParameterStore(config, Destination.VECTOR, config.requantise_lanes)

    async def bench(ctx):
        for slot in range(slots):
            words = np.stack([bias[slot], multiplier[slot]]).astype("<i4").view(np.uint8).reshape(2, cols, 4)
            rows = [*words.transpose(0, 2, 1).reshape(8, cols), shift[slot], *rng.integers(0, 256, (3, cols))]
            for index, row in enumerate(rows):
                await load(ctx, dut, Destination.VECTOR, slot, index, row)
        for other in (Destination.ACTIVATION, Destination.TABLE):
            await load(ctx, dut, other, 0, 0, rng.integers(0, 256, cols))
        for slot in range(slots):
            for beat in range(config.beats):
                ctx.set(dut.slot, slot)
                ctx.set(dut.beat, beat)
                await ctx.tick().repeat(dut.LATENCY)
                columns = slice(beat * lanes, (beat + 1) * lanes)
                assert [ctx.get(v) for v in dut.bias] == bias[slot, columns].tolist()
                assert [ctx.get(v) for v in dut.multiplier] == multiplier[slot, columns].tolist()
                assert [ctx.get(v) for v in dut.shift] == shift[slot, columns].tolist()

    simulate(dut, bench)


def test_a_loaded_row_is_read_in_the_cycle_after_the_next():
    config = CONFIGS[0]
    dut = ParameterStore(config, Destination.ACTIVATION, config.requantise_lanes)

    async def bench(ctx):
        await load(ctx, dut, Destination.ACTIVATION, 0, 0, np.array([7, 0, 0, 0]))
        await ctx.tick().repeat(2)
        assert ctx.get(dut.bias[0]) == 7

    simulate(dut, bench)
