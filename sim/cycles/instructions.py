"""Instructions as the cycle model needs them, and the semaphores by which they wait for each other."""

from systolith.rtl.errors import UserError
from systolith.rtl.isa import CONFIG, FIELDS_HEAD, INSTRUCTION_BYTES, TABLE, Opcode, Unit
from systolith.rtl.waits import units

__all__ = ["CycleModelError", "Instruction", "Registers", "Semaphores", "read_program"]


class CycleModelError(UserError):
    """A program that does not end by Halt; the message is one full sentence."""


class Instruction:
    """One instruction; its fields by their names as items.

    Members
    -------
    pc : int
    opcode : Opcode
    unit : Unit
        Whose queue takes it; NONE: dispatch executes it itself.
    work : bool
    waits : tuple of two (unit, count)
    """

    __slots__ = ("_layout", "_word", "opcode", "pc", "unit", "waits", "work")

    def __init__(self, pc, word):
        self.pc, self._word = pc, word
        self.opcode, self.unit, self.work, self._layout = _ROWS[word & _OPCODE_MASK]
        if self.unit is None:
            self.unit = self["unit"]
        wait0, wait1 = word >> _OPCODE_BITS & _WAIT_MASK, word >> _OPCODE_BITS + _WAIT_BITS & _WAIT_MASK
        self.waits = (wait0 & _UNIT_MASK, wait0 >> _UNIT_BITS), (wait1 & _UNIT_MASK, wait1 >> _UNIT_BITS)

    def __getitem__(self, name):
        offset, mask = self._layout[name]
        return self._word >> offset & mask


# A Tag names the unit it watches, but dispatch executes it.
_ROWS = {int(opcode): (opcode, Unit.NONE if opcode is Opcode.TAG else row.unit, row.work,
                       {name: (offset, (1 << width) - 1) for name, (offset, width) in row.layout().items()})
         for opcode, row in TABLE.items()}
_OPCODE_BITS = FIELDS_HEAD[0].width
_OPCODE_MASK = (1 << _OPCODE_BITS) - 1
# Each wait is a unit and, above it, a count.
_UNIT_BITS = FIELDS_HEAD[1].width
_UNIT_MASK = (1 << _UNIT_BITS) - 1
_WAIT_BITS = _UNIT_BITS + FIELDS_HEAD[2].width
_WAIT_MASK = (1 << _WAIT_BITS) - 1


def read_program(code, address):
    """The instructions in a program memory's bytes from an address on, up to the first Halt.

    Errors
    ------
    CycleModelError
        If an illegal opcode or the end comes before.
    """
    for pc in range(address, len(code) // INSTRUCTION_BYTES):
        word = int.from_bytes(code[pc * INSTRUCTION_BYTES:(pc + 1) * INSTRUCTION_BYTES], "little")
        if word & _OPCODE_MASK not in _ROWS:
            raise CycleModelError(f"instruction {pc} of the program has an opcode that does not exist")
        instruction = Instruction(pc, word)
        yield instruction
        if instruction.opcode is Opcode.HALT:
            return
    raise CycleModelError(f"the program at instruction {address} has no Halt")


class Registers(dict):
    """The configuration registers of a unit, by their names."""

    def __init__(self, unit):
        self._table = CONFIG[unit]
        super().__init__((register.name, 0) for register in self._table)

    def write(self, instruction):
        """Executes a Set_Configuration; returns the indices that it writes, sinks left out."""
        written = []
        for index, value in ((instruction["index0"], "value0"), (instruction["index1"], "value1")):
            if index < len(self._table):
                register = self._table[index]
                self[register.name] = instruction[value] & ((1 << register.width) - 1)
                written.append(index)
        return written


class Semaphores:
    """When each unit retired its work instructions, as far as that is known.

    Members
    -------
    retired : dict from Unit to list of int, cycles
    """

    #: Cycles from a retire pulse to the first in which a wait for it is met: the semaphore, `rtl.waits`.
    LATENCY = 2

    def __init__(self, config):
        self.retired = {unit: [] for unit in units(config)}

    def met(self, unit, count):
        """First cycle in which a wait is met; None if that is not known yet."""
        if not unit or not count:
            return 0
        retired = self.retired[unit]
        return retired[count - 1] + self.LATENCY if count <= len(retired) else None
