"""Carry cells of ECP5 with inputs at 0 are rewritten for ones, which cost no wire: proved by yosys' model of a cell."""

import re
from itertools import product
from pathlib import Path

import pytest
from systolith.synth import stages
from systolith.synth.tools import ToolError, run

TECHMAP = Path(stages.__file__).parent / "techmap" / "ecp5.v"
MODELS = "read_verilog -sv -overwrite +/ecp5/cells_sim.v; "
PROOF = ("hierarchy; proc; flatten -wb; miter -equiv -flatten gold gate both; sat -verify -prove trigger 0 both; ")

# Tables of yosys' adders, comparers and row pairs, and some of no sense.
PINS = ("A0", "B0", "C0", "D0", "A1", "B1", "C1", "D1")
TABLES = (0x96AA, 0xA566, 0x7888, 0x8777, 0x1234, 0xBEEF)


def cells(name, variants):
    """A module of carry cells, one for each variant: tables, and inputs 0, 1 or free."""
    lines = [f"module {name}(input [8:0] in, output [{3 * len(variants) - 1}:0] out);"]
    for i, (table0, table1, inputs) in enumerate(variants):
        pins = ", ".join(f".{pin}({value if value != 'free' else f'in[{k}]'})"
                         for k, (pin, value) in enumerate(zip(PINS, inputs)))
        lines.append(f"CCU2C #(.INIT0({table0}), .INIT1({table1}), .INJECT1_0(\"NO\"), .INJECT1_1(\"NO\")) cell{i} "
                     f"(.CIN(in[8]), {pins}, .S0(out[{3 * i}]), .S1(out[{3 * i + 1}]), .COUT(out[{3 * i + 2}]));")
    return "\n".join((*lines, "endmodule"))


def variants(tables=TABLES):
    """Every pattern of inputs of the first half; those of the second half are the same the other way round."""
    return [(*(f"16'h{tables[(number + k) % len(tables)]:04x}" for k in (0, 1)), (*pattern, *reversed(pattern)))
            for number, pattern in enumerate(product(("free", "1'b0", "1'b1"), repeat=4))]


def prove(folder, gold, gate):
    (folder / "gold.v").write_text(gold)
    (folder / "gate.v").write_text(gate)
    (folder / TECHMAP.name).write_text(TECHMAP.read_text())  # the yosys of pip sees nothing outside of the folder
    run("yosys", ["-p", f"read_verilog -sv gold.v; read_verilog -sv gate.v; techmap -map {TECHMAP.name} gate; "
                        "opt_expr gate; select gate; write_rtlil -selected gate.il; select -clear; "
                        f"{MODELS}{PROOF}"], folder, "proof.log")
    return (folder / "gate.il").read_text()


def test_rewritten_cells_are_the_same(tmp_path):
    written = prove(tmp_path, cells("gold", variants()), cells("gate", variants()))
    inputs = re.findall(r"connect \\[ABCD][01] (.*)", written)
    assert len(inputs) == 8 * 81 and "1'0" not in inputs and "1'1" in inputs


def test_the_proof_can_fail(tmp_path):
    other = (TABLES[0] ^ 1, *TABLES[1:])
    with pytest.raises(ToolError, match="proof did fail"):
        prove(tmp_path, cells("gold", variants()), cells("gate", variants(other)))
