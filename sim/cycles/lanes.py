"""The activation unit and the vector unit: how long each instruction keeps its pipeline busy."""

from systolith.rtl.activation import ActivationUnit
from systolith.rtl.isa import CONFIG, Opcode, Unit
from systolith.rtl.vector import write_delay
from systolith.rtl.vector_address import VectorAddress

from .instructions import Registers

__all__ = ["activation_unit", "vector_unit"]

#: The vector unit writes registers from this one on only when it is empty.
_FIRST_LATE = next(r.index for r in CONFIG[Unit.VECTOR] if r.name == "zero_point")


def activation_unit(config, queue, active):
    """Process of the activation unit, as `rtl.activation`; `active` is its `Activity`."""
    beats, retire_latency = config.beats, ActivationUnit.write_latency(config) - config.beats + 1
    start = -1  # when the last instruction left the register before the unit
    finished = 0  # last beat of the instruction before
    while True:
        while (offer := queue.next()) is None:
            yield
        instruction, offered = offer
        accepted = max(offered, start + 1)
        queue.accept(accepted)
        start = max(accepted + 1, finished)
        if instruction.opcode is Opcode.SET_CONFIGURATION:
            continue
        # An instruction without rows takes as long as a row.
        x_count, y_count, *_ = instruction.operands
        finished = start + (x_count * y_count or 1) * beats
        end = finished + retire_latency
        active.add(start + 1, end + 1)
        queue.retire(instruction, start, end)


def vector_unit(config, queue, active):
    """Process of the vector unit, as `rtl.vector`; `active` is its `Activity`."""
    retire_latency, first = write_delay(config) + 2, VectorAddress.START_LATENCY - 2
    registers = Registers(Unit.VECTOR)
    start = -1  # when the last instruction left the register before the unit
    walked = -1  # when the address generator let the last token of the instruction before go
    paced = -config.vector_beats  # the same for its last read of a step
    end = -1
    while True:
        while (offer := queue.next()) is None:
            yield
        instruction, offered = offer
        accepted = max(offered, start + 1)
        queue.accept(accepted)
        start = max(accepted, walked) + 1
        if instruction.opcode is Opcode.SET_CONFIGURATION:
            if any(index >= _FIRST_LATE for index in registers.write(instruction)):
                start = max(start, end + 1)
            continue
        reads = registers["tap1_count"] * registers["tap0_count"]
        steps = registers["x_count"] * instruction.operands[0]
        if reads and steps:
            pace = max(reads, config.vector_beats)
            paced = walked = max(start + first + reads, paced + config.vector_beats) + (steps - 1) * pace
        else:
            walked = start + first + 1
        end = walked + retire_latency
        active.add(start + 1, end + 1)
        queue.retire(instruction, start, end)
