import runpy
from pathlib import Path

import numpy as np
import pytest
from systolith.rtl import isa
from systolith.rtl.assembly import assemble, disassemble
from systolith.rtl.encoding import IsaError, decode, encode, register_value
from systolith.rtl.isa import CONFIG, TABLE, Opcode, Unit

DOCS = Path(__file__).resolve().parents[1] / "docs"


def random_instruction(rng):
    row = list(TABLE.values())[rng.integers(len(TABLE))]
    fields = {name: int(rng.integers(0, 1 << width)) for name, (_, width) in row.layout().items() if name != "opcode"}
    for number in (0, 1):
        unit = fields[f"wait{number}_unit"] = int(rng.integers(0, 6))
        if unit == 0:
            fields[f"wait{number}_count"] = 0  # a wait for no unit has no count to show
    if "unit" in fields:
        fields["unit"] = int(rng.choice([int(u) for u in (CONFIG if row.opcode is Opcode.SET_CONFIGURATION else Unit)]))
    if "function" in fields:
        fields["function"] %= len(isa.Function)
    for number in (0, 1):
        if f"index{number}" in fields:
            register = CONFIG[Unit(fields["unit"])][fields[f"index{number}"] % len(CONFIG[Unit(fields["unit"])])]
            fields[f"index{number}"] = register.index
    return row, fields


@pytest.mark.parametrize("seed", range(30))
def test_encode_decode_and_assembly_agree(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        row, fields = random_instruction(rng)
        code = encode(row.opcode, **fields)
        assert len(code) == isa.INSTRUCTION_BYTES
        back, values = decode(code)
        assert back is row and {k: values[k] for k in fields} == fields
        assert assemble(disassemble(code)) == code, disassemble(code)


def test_fields_do_not_overlap_and_fit():
    for row in TABLE.values():
        bits = [b for offset, width in row.layout().values() for b in range(offset, offset + width)]
        assert len(bits) == len(set(bits)) and max(bits) < isa.INSTRUCTION_BITS


@pytest.mark.parametrize("text, message", [
    ("Jump", "line 1: 'Jump' is not an instruction"),
    ("Nop\nConvolve x_count", "line 2: 'x_count' is not of the form field=value"),
    ("Convolve colour=3", "line 1: Convolve has no field 'colour'"),
    ("Convolve x_count=lots", "line 1: x_count must be a number, not 'lots'"),
    ("Convolve x_count=99999", "line 1: Convolve: x_count must be between 0 and 16383, not 99999"),
    ("Set_Configuration unit=matrix x_stride=1 y_stride=2 pass0_count=3", "at most two registers"),
])
def test_wrong_assembly_is_refused_with_its_line(text, message):
    with pytest.raises(IsaError, match=message):
        assemble(text)


def test_an_unknown_opcode_is_refused():
    with pytest.raises(IsaError, match="31 is not an opcode"):
        decode(bytes([31]) + bytes(15))


def test_the_documentation_is_that_of_the_table():
    assert runpy.run_path(str(DOCS / "make_isa.py"))["text"]() == (DOCS / "isa.md").read_text()


def test_registers_take_what_fits_them():
    registers = {r.name: r for r in CONFIG[Unit.VECTOR]}
    assert register_value(registers["zero_point"], -128) == 0xFFFFFF80
    assert [register_value(registers["x_stride"], stride) for stride in (-3, (1 << 26) - 3)] == [0xFFFFFFFD] * 2
    for name, value in (("zero_point", 128), ("zero_point", -129), ("x_count", 1 << 14), ("x_count", -1),
                        ("multiplier_a", 1 << 31)):
        with pytest.raises(IsaError, match=f"register {name} must be between .*, not {value}"):
            register_value(registers[name], value)
