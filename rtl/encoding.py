"""Instructions of `isa` as bytes and back, and values of configuration registers as they travel in them."""

from .errors import UserError
from .isa import INSTRUCTION_BYTES, TABLE, Opcode

__all__ = ["IsaError", "decode", "encode", "register_value", "signed"]


class IsaError(UserError):
    """Text or bytes that are no instruction; the message is one full sentence."""


def register_value(register, value):
    """What Set_Configuration carries to give a register a value.

    Parameters
    ----------
    register : ConfigRegister
    value : int
        A stride wraps modulo its width.

    Errors
    ------
    IsaError
        For a value that does not fit.
    """
    value, bits = int(value), register.width - register.signed
    if register.name.endswith("stride"):
        value = signed(value, register.width)
    elif not -(register.signed << bits) <= value < 1 << bits:
        raise IsaError(f"register {register.name} must be between {-(register.signed << bits)} and {(1 << bits) - 1}, "
                       f"not {value}")
    return value & 0xFFFFFFFF


def signed(value, width):
    """`value` (its low `width` bits) read as two's complement."""
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def encode(opcode, **fields):
    """One instruction as 16 bytes.

    Parameters
    ----------
    opcode : Opcode
        Which instruction.
    fields : int
        Its fields by name; those left out are 0. Address and stride fields wrap modulo their width.

    Errors
    ------
    IsaError
        For an unknown field or a value that does not fit.
    """
    row = TABLE[opcode]
    places = row.layout()
    word = 0
    for name, value in {**fields, "opcode": int(opcode)}.items():
        if name not in places:
            raise IsaError(f"{row.name} has no field {name!r}; it has {', '.join(places)}")
        offset, width = places[name]
        value = int(value)
        if name.endswith(("stride", "ub_address")):
            value &= (1 << width) - 1
        if name.startswith("value"):
            value &= 0xFFFFFFFF
        if not 0 <= value < 1 << width:
            raise IsaError(f"{row.name}: {name} must be between 0 and {(1 << width) - 1}, not {value}")
        word |= value << offset
    return word.to_bytes(INSTRUCTION_BYTES, "little")


def decode(data):
    """The opcode's table row and the fields of one instruction.

    Parameters
    ----------
    data : bytes
        16 bytes.

    Returns
    -------
    (Instruction, dict of int)

    Errors
    ------
    IsaError
        For an opcode that is not in the table.
    """
    word = int.from_bytes(data, "little")
    opcode = word & 31
    if opcode not in TABLE:
        raise IsaError(f"{opcode} is not an opcode")
    row = TABLE[Opcode(opcode)]
    fields = {name: word >> offset & ((1 << width) - 1) for name, (offset, width) in row.layout().items()}
    return row, fields
