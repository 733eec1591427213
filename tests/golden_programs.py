"""Programs of a few instructions on the golden model, with random memories and a host."""

import numpy as np
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import CONFIG, Opcode
from systolith.sim.golden import GoldenModel

CONFIGS = [
    Config(rows=3, cols=4, requantise_lanes=2, accumulator_depth=32, unified_buffer_bytes=512, weight_memory_rows=128,
           vector_taps=3, vector_kernel_rows=4, instruction_depth=64, packet_bytes=64, tag_depth=4),
    Config(rows=6, cols=4, requantise_lanes=1, accumulator_depth=16, unified_buffer_bytes=512, weight_memory_rows=128,
           vector_taps=2, vector_kernel_rows=3, instruction_depth=64, packet_bytes=64, tag_depth=4),
]


def configure(unit, **values):
    """Set_Configuration instructions for registers by name."""
    indices = {register.name: register.index for register in CONFIG[unit]}
    return [encode(Opcode.SET_CONFIGURATION, unit=unit, index0=indices[name], value0=value, index1=31)
            for name, value in values.items()]


def filled(config, seed=0):
    """A model whose memories hold random bytes."""
    model, rng = GoldenModel(config), np.random.default_rng(seed)
    model.unified_buffer[:] = rng.integers(-128, 128, model.unified_buffer.shape)
    model.weights[:] = rng.integers(-128, 128, model.weights.shape)
    return model


def run(model, *parts, host=None):
    """Runs a program made of instructions and lists of them; a Halt is added."""
    code = b"".join(part if isinstance(part, bytes) else b"".join(part) for part in parts) + encode(Opcode.HALT)
    model.instructions.reshape(-1)[:len(code)] = np.frombuffer(code, np.uint8)
    return model.run(0, host)


class Host:
    """A host with memory that notes what it is asked."""

    def __init__(self):
        self.memory, self.calls = np.arange(256, dtype=np.uint8), []

    def read(self, address, length):
        self.calls.append(("read", address, length))
        return self.memory[address:address + length].tobytes()

    def write(self, address, data):
        self.calls.append(("write", address, data))

    def interrupt(self, code):
        self.calls.append(("interrupt", code))
