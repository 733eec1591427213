"""Instructions as text: one line each, with names from the instruction table."""

from .encoding import IsaError, decode, encode, signed
from .isa import CONFIG, SINK, TABLE, Destination, Function, Opcode, Unit

__all__ = ["assemble", "assemble_line", "disassemble"]


def disassemble(data):
    """One line of assembly for 16 bytes: the name, then `field=value` for each field that is not 0."""
    row, fields = decode(data)
    parts = [row.name]
    for number in (0, 1):
        unit = fields[f"wait{number}_unit"]
        if unit:
            name = Unit(unit).name.lower() if unit in list(Unit) else str(unit)
            parts.append(f"wait{number}={name}:{fields[f'wait{number}_count']}")
    registers = CONFIG.get(fields.get("unit"), ())
    for f in row.fields:
        value = fields[f.name]
        if f.name == "unit":
            parts.append(f"unit={Unit(value).name.lower() if value in list(Unit) else value}")
        elif f.name.startswith("index"):
            number = f.name[5:]
            if value < len(registers):
                register = registers[value]
                shown = signed(fields[f"value{number}"], 32) if register.signed else fields[f"value{number}"]
                parts.append(f"{register.name}={shown}")
            elif value != SINK:
                parts.append(f"register{value}={fields[f'value{number}']}")
        elif f.name.startswith("value"):
            continue
        elif f.name == "function":
            parts.append(f"function={Function(value).name.lower() if value in list(Function) else value}")
        elif f.name == "destination":
            parts.append(f"destination={Destination(value).name.lower()}")
        elif value:
            parts.append(f"{f.name}={value}")
    return " ".join(parts)


def _number(name, text, enum_class=None):
    if enum_class is not None and text.upper() in enum_class.__members__:
        return int(enum_class[text.upper()])
    try:
        return int(text, 0)
    except ValueError:
        raise IsaError(f"{name} must be a number, not {text!r}") from None


def assemble_line(line):
    """The 16 bytes of one line as `disassemble` prints it.

    Errors
    ------
    IsaError
        For an unknown instruction, field or value.
    """
    name, *parts = line.split()
    rows = {row.name.lower(): row for row in TABLE.values()}
    if name.lower() not in rows:
        raise IsaError(f"{name!r} is not an instruction")
    row = rows[name.lower()]
    fields = {}
    texts = []
    for part in parts:
        key, equals, text = part.partition("=")
        if not equals:
            raise IsaError(f"{part!r} is not of the form field=value")
        texts.append((key, text))
    enums = {"unit": Unit, "function": Function, "destination": Destination}
    unit = _number("unit", dict(texts).get("unit", "0"), Unit)
    registers = {r.name: r.index for r in CONFIG.get(unit, ())} if row.opcode is Opcode.SET_CONFIGURATION else {}
    written = []
    for key, text in texts:
        if key in ("wait0", "wait1"):
            which, _, count = text.partition(":")
            fields[f"{key}_unit"] = _number(key, which, Unit)
            fields[f"{key}_count"] = _number(key, count)
        elif key in registers:
            written.append((registers[key], _number(key, text)))
        elif row.opcode is Opcode.SET_CONFIGURATION and key.startswith("register"):
            written.append((_number("register", key[8:]), _number(key, text)))
        else:
            fields[key] = _number(key, text, enums.get(key))
    if row.opcode is Opcode.SET_CONFIGURATION:
        if len(written) > 2:
            raise IsaError("Set_Configuration writes at most two registers")
        written += [(SINK, 0)] * (2 - len(written))
        for number, (index, value) in enumerate(written):
            fields[f"index{number}"] = index
            fields[f"value{number}"] = value
    return encode(row.opcode, **fields)


def assemble(text):
    """The bytes of a program text, one instruction a line; `#` starts a comment.

    Errors
    ------
    IsaError
        With the line's number.
    """
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line:
            try:
                out.append(assemble_line(line))
            except IsaError as error:
                raise IsaError(f"line {number}: {error}") from None
    return b"".join(out)
