"""Random programs are legal, varied and free of races."""

from dataclasses import replace

import numpy as np
import pytest
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.encoding import decode
from systolith.rtl.isa import CONFIG, INSTRUCTION_BYTES, SINK, TABLE, Destination, Fault, Function, Opcode, Unit
from systolith.rtl.packets import State
from systolith.sim.golden import GoldenModel
from systolith.sim.random_program import random_program

ODD = Config(rows=12, cols=10, requantise_lanes=5, accumulator_depth=40, unified_buffer_bytes=1024,
             weight_memory_rows=640, weight_fifo_tiles=2, queue_depth=3, packet_bytes=64)
CONFIGS = [ODD, PRESETS["pico"], PRESETS["nano"], PRESETS["edge"]]


class Host:
    """Host memory that a program reads and writes."""

    def __init__(self, memory):
        self.memory = bytearray(memory)

    def read(self, address, length):
        return bytes(self.memory[address:address + length])

    def write(self, address, data):
        self.memory[address:address + len(data)] = data

    def interrupt(self, code):
        pass


def loaded(config, program, rest=0):
    """A model that holds the program, and `rest` wherever the program must not look."""
    model = GoldenModel(config)
    model.unified_buffer[:], model.accumulators[:], model.weights[:] = rest, rest, rest
    for array, address, data in ((model.unified_buffer, program.buffer_address, program.unified_buffer),
                                 (model.weights.reshape(-1), 0, program.weights)):
        array[address:address + len(data)] = np.frombuffer(data, np.int8)
    code = np.frombuffer(program.instructions, np.uint8)
    model.instructions.reshape(-1)[:len(code)] = code
    return model


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.rows}x{config.cols}")
@pytest.mark.parametrize("seed", range(5))
def test_runs_to_its_halt_inside_its_window(config, seed):
    program = random_program(config, seed)
    results = []
    for rest in (0, 77):
        model, host = loaded(config, program, rest), Host(program.host_memory)
        assert model.run(0, host) == (State.HALTED, Fault.NONE, 0)
        start, stop = program.buffer_address, program.buffer_address + len(program.unified_buffer)
        assert (np.delete(model.unified_buffer, slice(start, stop)) == rest).all()
        results.append((model.unified_buffer[start:stop].tobytes(), bytes(host.memory)))
    assert results[0] == results[1]
    assert results[0][0] != program.unified_buffer


def overlapped(config, code, rng):
    """The instructions in an order that units with queues of limited depth and a weight FIFO could choose."""
    order, queues, retired, rows = [], {unit: [] for unit in Unit}, dict.fromkeys(Unit, 0), 0
    waiting = [code[i:i + INSTRUCTION_BYTES] for i in range(0, len(code), INSTRUCTION_BYTES)]

    def ready(f):
        return all(retired[f[f"wait{i}_unit"]] >= f[f"wait{i}_count"] or not f[f"wait{i}_unit"] for i in (0, 1))

    def rows_taken(row, f):
        if row.opcode is Opcode.CONVOLVE:
            return config.rows * registers["pass0_count"] * registers["pass1_count"]
        return config.rows * f["switch"] if row.opcode is Opcode.MATRIX_MULTIPLY else 0

    registers = {}
    while waiting or any(queues.values()):
        moves = [unit for unit, queue in queues.items() if queue and ready(decode(queue[0])[1])]
        moves += [None] if waiting else []
        for move in rng.permutation(np.array(moves, object)):
            if move is None:
                row, f = decode(waiting[0])
                unit = Unit(f["unit"]) if row.unit is None and row.opcode is not Opcode.TAG else row.unit or Unit.NONE
                if (unit is Unit.NONE and row.opcode is not Opcode.HALT and ready(f)) or \
                        (row.opcode is Opcode.HALT and not any(queues.values())):
                    order.append(waiting.pop(0))
                    break
                if unit is not Unit.NONE and len(queues[unit]) < config.queue_depth:
                    queues[unit].append(waiting.pop(0))
                    break
                continue
            row, f = decode(queues[move][0])
            if row.opcode is Opcode.SET_CONFIGURATION and move is Unit.MATRIX:
                names = [register.name for register in CONFIG[Unit.MATRIX]] + [""] * (SINK + 1)
                registers |= {names[f["index0"]]: f["value0"]}
                registers |= {names[f["index1"]]: f["value1"]}
            if row.opcode is Opcode.READ_WEIGHTS and f["destination"] == Destination.ARRAY:
                taker = decode(queues[Unit.MATRIX][0]) if queues[Unit.MATRIX] else (TABLE[Opcode.NOP], {})
                wanted = rows_taken(*taker) if taker[1] and ready(taker[1]) else 0
                if rows + f["count"] > max(config.weight_fifo_tiles * config.rows, wanted):
                    continue
                rows += f["count"]
            if rows_taken(row, f) > rows:
                continue
            rows -= rows_taken(row, f)
            order.append(queues[move].pop(0))
            retired[move] += row.work
            break
        else:
            pytest.fail("nothing can move")
    return b"".join(order)


@pytest.mark.parametrize("config", [ODD, PRESETS["pico"]], ids=["odd", "pico"])
@pytest.mark.parametrize("seed", range(10))
def test_order_of_the_units_does_not_matter(config, seed):
    program, rng = random_program(config, seed), np.random.default_rng(seed)
    model, host = loaded(config, program), Host(program.host_memory)
    model.run(0, host)
    other = replace(program, instructions=overlapped(config, program.instructions, rng))
    assert other.instructions != program.instructions
    other_model, other_host = loaded(config, other), Host(program.host_memory)
    assert other_model.run(0, other_host) == (State.HALTED, Fault.NONE, 0)
    assert (other_model.unified_buffer == model.unified_buffer).all()
    assert other_host.memory == host.memory


def test_same_seed_same_program():
    assert random_program(ODD, 3) == random_program(ODD, 3)
    assert random_program(ODD, 3) != random_program(ODD, 4)


def test_all_instructions_occur():
    seen = set()
    for seed in range(5):
        code = random_program(ODD, seed, 200).instructions
        for i in range(0, len(code), INSTRUCTION_BYTES):
            row, fields = decode(code[i:i + INSTRUCTION_BYTES])
            seen.add(row.name)
            if row.opcode is Opcode.VECTOR:
                seen.add(Function(fields["function"]).name)
            elif row.opcode is Opcode.READ_WEIGHTS:
                seen.add(Destination(fields["destination"]).name)
    names = {row.name for row in TABLE.values()} | set(Function.__members__) | set(Destination.__members__)
    assert seen == names


def test_ends_where_the_instruction_memory_ends():
    config = PRESETS["nano"]
    program = random_program(config, 0, 100_000)
    assert config.instruction_depth - 40 < len(program.instructions) // INSTRUCTION_BYTES <= config.instruction_depth


@pytest.mark.parametrize("changes", [{"weight_memory_rows": 12}, {"unified_buffer_bytes": 256, "rows": 80},
                                     {"instruction_depth": 16, "parameter_slots": 8}])
def test_memories_too_small_to_play_in(changes):
    with pytest.raises(ValueError, match="too small for random programs"):
        random_program(Config(**{"cols": 10, "requantise_lanes": 5, "rows": 12, **changes}), 0)
