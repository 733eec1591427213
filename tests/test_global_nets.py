"""Control nets of many flip-flops go behind a global buffer; all else stays."""

import json

import pytest
from systolith.synth.global_nets import promote
from systolith.synth.routing import place_and_route
from systolith.synth.stages import Part, arrange, synthesise


def netlist(*groups):
    """A module with groups of flip-flops: (net of the enable, net of the reset, how many)."""
    cells, fresh = {}, 1000
    for enable, reset, count in groups:
        for _ in range(count):
            cells[f"ff{fresh}"] = {"type": "TRELLIS_FF", "connections": {
                "CLK": [2], "CE": [enable], "LSR": [reset], "DI": [enable], "Q": [fresh]}}
            fresh += 1
    for net in {net for group in groups for net in group[:2]} - {"0", "1", 13}:
        cells[f"driver{net}"] = {"type": "TRELLIS_FF", "connections": {"CE": ["1"], "LSR": ["0"], "Q": [net]}}
    return {"cells": cells, "netnames": {"q": {"bits": list(range(2, fresh))}}}


def sinks(module, port):
    counts = {}
    for name, cell in module["cells"].items():
        if name.startswith("ff"):
            net, = cell["connections"][port]
            counts[net] = counts.get(net, 0) + 1
    return counts


def test_the_largest_go_behind_a_buffer():
    module = netlist((10, 20, 30), (11, 20, 50), (12, 21, 5), ("1", "0", 900))
    assert promote(module, most=2, least=10) == {"global_net0": 80, "global_net1": 50}
    buffers = {name: cell["connections"] for name, cell in module["cells"].items() if cell["type"] == "DCCA"}
    reset, enable = buffers["global_net0"], buffers["global_net1"]
    assert reset["CLKI"] == [20] and enable["CLKI"] == [11] and reset["CE"] == enable["CE"] == ["1"]
    assert sinks(module, "LSR") == {reset["CLKO"][0]: 80, 21: 5, "0": 900}
    assert sinks(module, "CE") == {10: 30, enable["CLKO"][0]: 50, 12: 5, "1": 900}
    # Nets of their own, which no cell had, and with names.
    assert {reset["CLKO"][0], enable["CLKO"][0]}.isdisjoint(module["netnames"]["q"]["bits"])
    assert reset["CLKO"] != enable["CLKO"]
    assert module["netnames"]["global_net0"]["bits"] == reset["CLKO"]
    # What the enable does as data stays what it was.
    assert sinks(module, "DI") == {10: 30, 11: 50, 12: 5, "1": 900}


def test_small_nets_stay():
    module = netlist((10, 20, 199))
    assert promote(module, most=4) == {}
    assert sinks(module, "CE") == {10: 199} and len(module["cells"]) == 201


def test_nets_behind_gates_stay():
    module = netlist((13, 20, 300))
    assert promote(module, most=4) == {"global_net0": 300}
    assert sinks(module, "CE") == {13: 300} and 20 not in sinks(module, "LSR")


def test_buffers_take_the_places_in_order():
    module = netlist((10, 20, 300), (11, 20, 200))
    assert len(promote(module, most=3, sites=("A", "B"))) == 3
    assert [cell["attributes"] for cell in module["cells"].values() if cell["type"] == "DCCA"] == [
        {"BEL": "A"}, {"BEL": "B"}, {}]


COUNTER = """
module top(input clk, input rst, input en, output parity);
  reg clear, go;
  reg [199:0] count;
  assign parity = ^count;
  always @(posedge clk) begin
    clear <= rst;
    go <= en;
    if (clear) count <= 0; else if (go) count <= count + 1;
  end
endmodule
"""


@pytest.mark.fpga
def test_nextpnr_routes_them_as_globals(tmp_path):
    part = Part("ecp5", ("--25k", "--package", "CABGA381", "--speed", "6"))
    synthesise(COUNTER, "top", part, tmp_path)
    arrange(part, tmp_path)
    module = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]
    assert [name for name, cell in module["cells"].items() if cell["type"] == "DCCA"] == ["global_net0", "global_net1"]
    place_and_route(part, tmp_path, freq=50)
    log = (tmp_path / "route.log").read_text()
    assert all(f"routing clock net global_net{i} using global" in log for i in range(2))
