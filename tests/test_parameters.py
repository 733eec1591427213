"""The parameter store: what rows of bytes mean to the lanes."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.config import Config
from systolith.rtl.isa import Destination
from systolith.rtl.parameters import ParameterStore

CONFIGS = [
    Config(rows=3, cols=4, requantise_lanes=1, parameter_slots=2),
    Config(rows=4, cols=6, requantise_lanes=3, parameter_slots=3),
    Config(rows=4, cols=16, requantise_lanes=2, parameter_slots=4),
    Config(rows=4, cols=12, requantise_lanes=1, parameter_slots=8),
    Config(rows=4, cols=8, requantise_lanes=2, parameter_slots=4, weight_memory="external"),
]


async def load(ctx, dut, destination, slot, index, row):
    """One row on the load bus."""
    ctx.set(dut.load.valid, 1)
    ctx.set(dut.load.destination, destination)
    ctx.set(dut.load.slot, slot)
    ctx.set(dut.load.index, index)
    ctx.set(dut.load.data, int.from_bytes(row.astype(np.uint8).tobytes(), "little"))
    await ctx.tick()
    ctx.set(dut.load.valid, 0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cols}x{c.requantise_lanes}-{c.weight_memory}")
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
        await ctx.tick().repeat(3)
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

    run_benches(dut, bench)


@pytest.mark.parametrize("config, apart", [(CONFIGS[0], 4), (CONFIGS[1], 2), (CONFIGS[2], 4), (CONFIGS[4], 1)],
                         ids=["4x1", "6x3", "16x2", "external"])
def test_a_row_is_stored_in_parts(config, apart):
    """Each part can be read in its cycle and not before, and the next row of the plane may follow after the last."""
    dut = ParameterStore(config, Destination.ACTIVATION, config.requantise_lanes)
    rows = np.arange(1, 3 * config.cols + 1).reshape(3, config.cols)
    per_part = config.beats // apart if config.weight_memory == "sram" else config.beats
    seen = {}

    async def writer(ctx):
        for slot, row in zip((0, 1, 0), rows):
            await load(ctx, dut, Destination.ACTIVATION, slot, 0, row)
            for _ in range(apart - 1):
                await ctx.tick()

    async def reader(ctx):
        # One beat of slot 0 a cycle, in turn: what is asked for in a cycle is there LATENCY cycles later.
        for cycle in range(60):
            ctx.set(dut.beat, cycle % config.beats)
            if cycle >= dut.LATENCY:
                seen[cycle - dut.LATENCY] = ctx.get(dut.bias[0])
            await ctx.tick()

    run_benches(dut, writer, reader)
    for cycle, value in seen.items():
        beat = cycle % config.beats
        # The rows are on the bus in cycles 0 and 2 * apart; a part is there three cycles later, asked for one before.
        visible = 2 + beat // per_part
        due = 0 if cycle < visible else rows[0 if cycle < visible + 2 * apart else 2][beat * config.requantise_lanes]
        assert value == due, (cycle, beat)
