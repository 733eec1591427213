"""What reports say is what the tools' files say. The files are those of the same small design on three families:
a multiplier of bytes in module `multiplier`, a memory of 512 bytes in module `memory`, adders in the top."""

import json
from pathlib import Path

import pytest
from systolith.synth.report import clocks, critical_path, places_in_log, resources_by_module, utilisation

FOLDER = Path(__file__).parent / "fpga_reports"


def read(family, what):
    return json.loads((FOLDER / f"{family}.{what}.json").read_text())


@pytest.fixture(params=["ecp5", "ice40", "gowin"])
def family(request):
    return request.param


def test_each_module_gets_the_cells_that_came_from_it(family):
    modules = resources_by_module(read(family, "netlist"), "top", family)
    assert set(modules) == {"", "multiplier", "memory"}
    # A cell whose wires all cross a border is named by one of the modules on both sides: here the product, which is
    # written to the memory.
    assert modules["multiplier"]["dsp"] + modules["memory"]["dsp"] == 1
    assert modules["memory"]["bram"] == 1 and modules[""]["lut"] > 10 and modules[""]["bram"] == 0


def test_no_cell_is_lost(family):
    netlist = read(family, "netlist")
    kinds = [cell["type"] for cell in netlist["modules"]["top"]["cells"].values()]
    modules = resources_by_module(netlist, "top", family)
    flip_flops = sum("DFF" in kind or kind == "TRELLIS_FF" for kind in kinds)
    assert sum(module["ff"] for module in modules.values()) == flip_flops > 40


def test_use_of_the_part(family):
    used = utilisation(read(family, "report")["utilization"], family)
    assert used["dsp"] == {"used": 1, "available": {"ecp5": 28, "ice40": 8, "gowin": 96}[family]}
    assert used["bram"] == {"used": 1, "available": {"ecp5": 56, "ice40": 30, "gowin": 46}[family]}
    assert used["lut"]["available"] == {"ecp5": 24288, "ice40": 5280, "gowin": 20736}[family]
    assert ("spram" in used) == (family == "ice40")


def test_a_gowin_adder_takes_a_lut():
    places = read("gowin", "report")["utilization"]
    assert utilisation(places, "gowin")["lut"]["used"] == places["LUT4"]["used"] + places["ALU"]["used"]


def test_the_clock(family):
    assert [round(mhz) for mhz in clocks(read(family, "report")).values()] == [
        {"ecp5": 147, "ice40": 65, "gowin": 519}[family]]


def test_the_critical_path_adds_up(family):
    report = read(family, "report")
    hops = critical_path(report, {"", "multiplier", "memory"})
    (mhz,) = clocks(report).values()
    assert sum(hop["logic_ns"] + hop["routing_ns"] for hop in hops) == pytest.approx(1000 / mhz, abs=0.1)


def test_the_critical_path_names_modules_and_not_signals():
    step = {"delay": 1.0, "type": "routing", "from": {"cell": "a.b.x"}}
    path = [{**step, "to": {"cell": "a.b.field.name_LUT4_Z"}}, {**step, "type": "logic", "to": {"cell": "a.b.y"}},
            {**step, "to": {"cell": "z"}}]
    slow, fast = ({"from": "posedge clk", "to": "posedge clk", "path": path[n:]} for n in (0, 2))
    between = {"from": "<async>", "to": "posedge clk", "path": path * 3}
    assert critical_path({"critical_paths": [fast, slow, between]}, {"", "a", "a.b"}) == [
        {"module": "a.b", "logic_ns": 1.0, "routing_ns": 1.0}, {"module": "", "logic_ns": 0, "routing_ns": 1.0}]


def test_a_design_without_paths_has_no_critical_one():
    assert critical_path({"critical_paths": []}, {""}) == []


def test_the_log_tells_what_is_too_much():
    log = """Info: Device utilisation:
Info: \t          TRELLIS_IO:       3/    197     1%
Info: \t              DP16KD:     259/    208   124%
Info: \t          MULT18X18D:     440/    156   282%
ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'MULT18X18D'
"""
    places = places_in_log(log)
    assert places["DP16KD"] == {"used": 259, "available": 208} and set(places) == {"TRELLIS_IO", "DP16KD", "MULT18X18D"}
