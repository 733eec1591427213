"""Every multiplier cell against all pairs of factors: portable, and each vendor's in a model of the vendor's block."""

import subprocess
from pathlib import Path

import pytest
from simulators import icarus_only
from systolith.rtl.multiplier import Multiplier
from systolith.rtl.verilog import convert
from systolith.synth.cells import CELLS
from vendor import vendor_models

HERE = Path(__file__).parent


@icarus_only
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
        sources = [*vendor_models(family), *sources]
    parameters = {"WIDTH": width, "PRODUCTS": products, "HELD": int(held), "LATENCY": Multiplier.LATENCY}
    subprocess.run(["iverilog", "-g2012", "-o", tmp_path / "run",
                    "-s", "tb_multiplier", *(f"-Ptb_multiplier.{name}={value}" for name, value in parameters.items()),
                    *sources], check=True)
    answer = subprocess.run(["vvp", "-n", tmp_path / "run"], capture_output=True, text=True, check=True).stdout
    assert answer.splitlines()[-1] == "PASS"
