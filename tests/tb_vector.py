"""The vector unit against the golden model: random Vector instructions of all functions."""

import cocotb
import numpy as np
from systolith.rtl.encoding import decode
from systolith.rtl.interfaces import BUFFER_READ_LATENCY
from systolith.rtl.isa import Destination, Function, Opcode, Unit
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
    buffer = model.unified_buffer.copy()
    player = Player(dut, Unit.VECTOR, model.weights)
    cocotb.start_soon(player.watch())
    cocotb.start_soon(serve(dut, "buffer_read", BUFFER_READ_LATENCY,
                            lambda address: buffer[address:address + config.cols].tobytes(), "buffer_write", buffer, 1))
    functions = set()
    for number in range(told.rounds):
        program = random_program(config, told.seed + number, length=200)
        weights = np.frombuffer(program.weights, np.int8).reshape(-1, config.cols)
        model.weights[:len(weights)] = weights
        model.unified_buffer[:] = buffer[:] = rng.integers(-128, 128, len(buffer))
        words = part(program.instructions, Unit.VECTOR, (Destination.VECTOR,))
        functions |= {fields["function"] for row, fields in map(decode, words) if row.opcode is Opcode.VECTOR}
        execute(model, words)
        await player.play(words)
        np.testing.assert_array_equal(buffer, model.unified_buffer)
    assert functions == set(Function)
