"""Every multiplier cell against all pairs of factors: portable, and each vendor's in a model of the vendor's block."""

import re
import subprocess
from pathlib import Path

import pytest
from amaranth.hdl import Module, signed
from amaranth.lib.wiring import Component, In, Out
from simulators import icarus_only
from systolith.rtl.multiplier import Multiplier
from systolith.rtl.product import Product
from systolith.rtl.verilog import convert
from systolith.synth.cells import CELLS
from vendor import vendor_models

HERE = Path(__file__).parent


class AsMultiplier(Component):
    """A product of adders with the ports of a `Multiplier`."""

    def __init__(self, width):
        self._product = Product(signed(width), signed(width), dsp=False)
        super().__init__({"a": In(signed(width)), "b": In(signed(width)), "load": In(1),
                          "product": Out(signed(2 * width))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.product = self._product
        m.d.comb += [self._product.a.eq(self.a), self._product.b.eq(self.b), self.product.eq(self._product.product)]
        return m


def run_all_pairs(folder, text, sources=(), **parameters):
    (folder / "dut.sv").write_text(text)
    subprocess.run(["iverilog", "-g2012", "-o", folder / "run",
                    "-s", "tb_multiplier", *(f"-Ptb_multiplier.{name}={value}" for name, value in parameters.items()),
                    *sources, folder / "dut.sv", HERE / "tb_multiplier.v"], check=True)
    answer = subprocess.run(["vvp", "-n", folder / "run"], capture_output=True, text=True, check=True).stdout
    return answer.splitlines()[-1]


@icarus_only
@pytest.mark.parametrize("width", [8, 9])  # of products of weights, and of Winograd's sums
def test_all_pairs_of_factors_by_adders(width, tmp_path):
    text = convert(AsMultiplier(width), "dut")
    latency = Product.latency(signed(width))
    assert run_all_pairs(tmp_path, text, WIDTH=width, LATENCY=latency) == "PASS"
    assert "FAIL" in run_all_pairs(tmp_path, text, WIDTH=width, LATENCY=latency - 1)


@icarus_only
@pytest.mark.parametrize("family", [None, *CELLS])
@pytest.mark.parametrize("width, products, held", [
    (8, 2, True), (8, 1, False), (9, 1, False), (17, 1, False), (18, 1, False)])
def test_all_pairs_of_factors(family, width, products, held, tmp_path):
    """Of 17 and 18 bits, whose pairs are too many, a quarter of a million."""
    multiplier = Multiplier(width, products, held=held)
    text = convert(multiplier, "dut", cells=CELLS.get(family))
    blocks = {"ecp5": "MULT18X18D", "ice40": "SB_MAC16", "gowin": "MULT9X9" if width <= 9 else "MULT18X18"}
    assert [bool(re.search(rf"\b{name}\b", text)) for name in blocks.values()] == [
        name == family and (family != "ice40" or (width, products) in ((8, 2), (9, 1))) for name in blocks]
    assert run_all_pairs(tmp_path, text, vendor_models(family) if family else (), WIDTH=width, PRODUCTS=products,
                         HELD=int(held), LATENCY=Multiplier.LATENCY) == "PASS"
