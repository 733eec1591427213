"""Instructions as the cycle model needs them, and the semaphores by which they wait for each other."""

from itertools import repeat
from typing import NamedTuple

import numpy as np
from systolith.rtl.errors import UserError
from systolith.rtl.isa import CONFIG, FIELDS_HEAD, INSTRUCTION_BYTES, TABLE, Opcode, Unit
from systolith.rtl.waits import SemaphoreWait, units

__all__ = ["CycleModelError", "Instruction", "Registers", "Semaphores", "read_program"]


class CycleModelError(UserError):
    """A program that does not end by Halt; the message is one full sentence."""


#: The fields of each instruction on which the timing depends, besides head and unit.
_OPERANDS = {
    Opcode.READ_HOST_MEMORY: ("length",), Opcode.WRITE_HOST_MEMORY: ("length",),
    Opcode.READ_WEIGHTS: ("destination", "address", "count"),
    Opcode.MATRIX_MULTIPLY: ("length", "switch"), Opcode.CONVOLVE: ("x_count", "y_count"),
    Opcode.ACTIVATE: ("x_count", "y_count", "columns"), Opcode.VECTOR: ("y_count",), Opcode.TAG: ("unit", "tag"),
    Opcode.SET_CONFIGURATION: ("index0", "value0", "index1", "value1"),
}


class Instruction(NamedTuple):
    """One instruction.

    Members
    -------
    pc : int
    opcode : Opcode
    unit : Unit
        Whose queue takes it; NONE: dispatch executes it itself.
    work : bool
    wait0, wait1 : tuple (unit, count)
    operands : tuple of four int
        The fields of `_OPERANDS`, then zeros.
    """
    pc: int
    opcode: Opcode
    unit: Unit
    work: bool
    wait0: tuple
    wait1: tuple
    operands: tuple


def _table():
    """(offset, mask) by opcode of what an instruction is made of: head without opcode, unit, operands."""
    places = np.zeros((2, max(TABLE) + 1, 9), np.uint64)
    for opcode, row in TABLE.items():
        # A Tag names the unit that it watches, but dispatch executes it.
        unit = ("unit",) if row.unit is None and opcode is not Opcode.TAG else (None,)
        names = *(field.name for field in FIELDS_HEAD[1:]), *unit, *_OPERANDS.get(opcode, ())
        for column, name in enumerate(names):
            if name is not None:
                offset, width = row.layout()[name]
                places[:, opcode, column] = offset, (1 << width) - 1
    return places


_OFFSETS, _MASKS = _table()
#: By opcode: its name, its unit if that is no field, whether it is work.
_NAMES = {int(opcode): opcode for opcode in TABLE}
_FIXED = np.array([TABLE[o].unit or 0 if o in TABLE else 0 for o in range(max(TABLE) + 1)], np.uint64)
_WORKS = {int(opcode): row.work for opcode, row in TABLE.items()}
_UNITS = list(Unit)


def read_program(code, address):
    """The instructions in a program memory's bytes from an address on, up to the first Halt.

    Returns
    -------
    list of Instruction

    Errors
    ------
    CycleModelError
        If an illegal opcode or the end comes before.
    """
    words = np.frombuffer(code, "<u8").reshape(-1, INSTRUCTION_BYTES // 8)[address:]
    opcodes = (words[:, 0] & ((1 << FIELDS_HEAD[0].width) - 1)).tolist()
    length = opcodes.index(Opcode.HALT) + 1 if Opcode.HALT in opcodes else len(opcodes)
    opcodes = opcodes[:length]
    names = [_NAMES.get(opcode) for opcode in opcodes]
    if None in names:
        bad = address + names.index(None)
        raise CycleModelError(f"instruction {bad} of the program has an opcode that does not exist")
    if Opcode.HALT not in opcodes:
        raise CycleModelError(f"the program at instruction {address} has no Halt")
    low, high, offset = words[:length, :1], words[:length, 1:], _OFFSETS[opcodes]
    fields = np.where(offset < 64, low, high) >> (offset & 63)
    fields |= np.where(offset < 64, high << 1, 0) << (63 - (offset & 63))
    fields &= _MASKS[opcodes]
    fields[:, 4] |= _FIXED[opcodes]
    unit0, count0, unit1, count1, unit, *operands = fields.T.tolist()
    columns = zip(range(address, address + length), names, map(_UNITS.__getitem__, unit), map(_WORKS.get, opcodes),
                  zip(unit0, count0), zip(unit1, count1), zip(*operands))
    return list(map(tuple.__new__, repeat(Instruction), columns))  # as Instruction._make, in less time


class Registers(dict):
    """The configuration registers of a unit, by their names."""

    def __init__(self, unit):
        self._table = CONFIG[unit]
        super().__init__((register.name, 0) for register in self._table)

    def write(self, instruction):
        """Executes a Set_Configuration; returns the indices that it writes, sinks left out."""
        index0, value0, index1, value1 = instruction.operands
        written = []
        for index, value in ((index0, value0), (index1, value1)):
            if index < len(self._table):
                register = self._table[index]
                self[register.name] = value & ((1 << register.width) - 1)
                written.append(index)
        return written


class Semaphores:
    """When each unit retired its work instructions, as far as that is known.

    Members
    -------
    retired : dict from Unit to list of int, cycles
    """

    #: Cycles from a retire pulse to the first in which a wait for it is met: a register, the semaphore, `rtl.waits`.
    LATENCY = 2 + SemaphoreWait.LATENCY

    def __init__(self, config):
        self.retired = {unit: [] for unit in units(config)}

    def met(self, unit, count):
        """First cycle in which a wait is met; None if that is not known yet."""
        if not unit or not count:
            return 0
        retired = self.retired[unit]
        return retired[count - 1] + self.LATENCY if count <= len(retired) else None
