"""A small design becomes a bitstream for a part of each family."""

import pytest
from systolith.synth.routing import place_and_route
from systolith.synth.stages import Part, pack, synthesise
from systolith.synth.tools import ToolError

DESIGN = """
module top(input clk, input d, output reg q);
  reg [15:0] bits;
  reg signed [15:0] product;
  always @(posedge clk) begin
    bits <= {bits[14:0], d};
    product <= $signed(bits[7:0]) * $signed(bits[15:8]);
    q <= ^product;
  end
endmodule
"""

# Part, constraints, and the multipliers that yosys takes for `*`: on iCE40 it must take none (synth/stages.py).
PARTS = {
    "ecp5": (Part("ecp5", ("--25k", "--package", "CABGA381", "--speed", "6")), None, ("MULT18X18D", 1)),
    "ice40": (Part("ice40", ("--up5k", "--package", "sg48")), "set_io clk 35\nset_io d 6\nset_io q 9\n",
              ("ICESTORM_DSP", 0)),
    "gowin": (Part("gowin", ("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"), "-family gw1n", "GW1N-9C"),
              'IO_LOC "clk" 52;\nIO_LOC "d" 18;\nIO_LOC "q" 17;\n', ("MULT9X9", 1)),
}


@pytest.mark.fpga
@pytest.mark.parametrize("family", PARTS)
def test_a_design_becomes_a_bitstream(family, tmp_path):
    part, constraints, (multiplier, used) = PARTS[family]
    lines = []
    netlist = synthesise(DESIGN, "top", part, tmp_path, progress=lines.append)
    assert netlist.is_file() and lines
    assert '"src"' not in (tmp_path / "top.json").read_text()  # hence the same in every folder
    report = place_and_route(part, tmp_path, freq=20, constraints=constraints)
    assert report["utilization"][multiplier]["used"] == used
    assert all(clock["achieved"] > 20 for clock in report["fmax"].values())
    assert pack(part, tmp_path).stat().st_size > 1000


@pytest.mark.fpga
def test_an_error_of_the_source_is_told(tmp_path):
    with pytest.raises(ToolError, match=r"yosys failed \(top.v:1: ERROR: .*synthesis.log"):
        synthesise("modul top", "top", PARTS["ice40"][0], tmp_path)
