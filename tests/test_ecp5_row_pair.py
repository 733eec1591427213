"""Carry cells of ECP5 add two rows as the portable form does: proved with yosys' model of the cell."""

import pytest
from amaranth.hdl import signed, unsigned
from systolith.rtl import verilog
from systolith.rtl.row_pair import RowPair
from systolith.synth.cells import CELLS
from systolith.synth.tools import ToolError, run

PROOF = """
read_verilog -sv gold.v gate.v
read_verilog -sv -overwrite +/ecp5/cells_sim.v
hierarchy
proc
flatten -wb
miter -equiv -flatten gold gate both
sat -verify -prove trigger 0 both
"""


def prove(folder, gold, gate):
    (folder / "gold.v").write_text(verilog.convert(gold, "gold"))
    (folder / "gate.v").write_text(verilog.convert(gate, "gate", cells=CELLS["ecp5"]))
    assert "CCU2C" in (folder / "gate.v").read_text()
    (folder / "prove.ys").write_text(PROOF)
    run("yosys", ["prove.ys"], folder, "proof.log")


@pytest.mark.parametrize("a, negative", [
    (signed(8), False), (signed(8), True), (signed(9), False), (signed(9), True), (unsigned(5), True),
    (unsigned(17), False), (unsigned(31), True)], ids=repr)
def test_is_the_portable_form(tmp_path, a, negative):
    prove(tmp_path, RowPair(a, negative=negative), RowPair(a, negative=negative))


def test_the_proof_can_fail(tmp_path):
    with pytest.raises(ToolError, match="proof did fail"):
        prove(tmp_path, RowPair(signed(8), negative=False), RowPair(signed(8), negative=True))
