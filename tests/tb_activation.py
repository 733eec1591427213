"""The activation unit against the golden model: random Activate instructions on random accumulators."""

import cocotb
import numpy as np
from systolith.rtl.isa import Destination, Unit
from systolith.sim.arithmetic import INT32_MAX, INT32_MIN
from systolith.sim.cocotb_bus import start
from systolith.sim.cocotb_runner import settings
from systolith.sim.cocotb_units import Player, execute, part, serve
from systolith.sim.golden import GoldenModel
from systolith.sim.random_program import random_program


@cocotb.test()
async def buffer_as_by_the_golden_model(dut):
    told = settings()
    config, rng = told.config, np.random.default_rng(told.seed)
    await start(dut, told.inputs)
    model = GoldenModel(config)
    shape = model.accumulators.shape
    model.accumulators[:] = rng.integers(INT32_MIN, INT32_MAX, shape, endpoint=True) >> rng.integers(6, 25, shape)
    player = Player(dut, Unit.ACTIVATION, model.weights)
    buffer = model.unified_buffer.copy()
    cocotb.start_soon(player.watch())
    cocotb.start_soon(serve(dut, "acc_read", 1, lambda row: model.accumulators[row].tobytes(), "buffer", buffer))
    results = set()
    for number in range(told.rounds):
        program = random_program(config, told.seed + number, length=200)
        weights = np.frombuffer(program.weights, np.int8).reshape(-1, config.cols)
        model.weights[:len(weights)] = weights
        words = part(program.instructions, Unit.ACTIVATION, (Destination.ACTIVATION, Destination.TABLE))
        execute(model, words)
        await player.play(words)
        np.testing.assert_array_equal(buffer, model.unified_buffer)
        results |= set(buffer.tolist())
    assert len(results) > 128
