"""The floor plan: wires get shorter, blocks go where there are any, and the array keeps its shape."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from systolith.rtl.array import SystolicArray
from systolith.rtl.config import PRESETS
from systolith.rtl.verilog import convert
from systolith.synth.cells import CELLS
from systolith.synth.floorplan import FLOORS, Floor, _array_sites, floor_plan
from systolith.synth.hypergraph import Hypergraph, spread
from systolith.synth.routing import place_and_route
from systolith.synth.stages import Part, arrange, synthesise


def cell(kind, **connections):
    return {"type": kind, "connections": {port: list(bits) for port, bits in connections.items()}}


def ring(length, block):
    """So many blocks in a ring, four LUTs between each and the next; all share a clock."""
    cells = {}
    for i in range(length):
        first = 10 + 5 * i
        cells[f"block{i}"] = cell(block, CLKA=[2], A=[first], Q=[first + 1])
        for k in range(1, 5):
            cells[f"lut{i}_{k}"] = cell("LUT4", A=[first + k], Z=[10 + (5 * i + k + 1) % (5 * length)])
    return {"cells": cells}


FLOOR = Floor(41, 41, {"DP16KD": {f"X{x}/Y{y}/EBR": (x, y) for x in range(4, 40, 4) for y in (10, 30)},
                       "MULT18X18D": {}})


def test_each_block_gets_a_site_of_its_own_and_neighbours_are_close():
    plan, around = floor_plan(ring(16, "DP16KD"), FLOOR)
    sites = FLOOR.sites["DP16KD"]
    assert sorted(plan) == sorted(f"block{i}" for i in range(16))
    assert len(set(plan.values())) == 16
    places = np.array([sites[plan[f"block{i}"]] for i in range(16)])
    length = abs(places - np.roll(places, 1, axis=0)).sum()
    shuffled = np.random.default_rng(1).permutation(places)
    # The shortest ring through two rows of eight sites 4 apart, 20 from each other, is 2 * (28 + 20).
    assert length <= 1.5 * 96 < abs(shuffled - np.roll(shuffled, 1, axis=0)).sum()
    # Of all cells it is told where they are, of blocks exactly.
    assert around.keys() == ring(16, "DP16KD")["cells"].keys()
    assert all(around[name] == sites[block] for name, block in plan.items())


def test_the_plan_is_the_same_each_time():
    assert floor_plan(ring(12, "DP16KD"), FLOOR) == floor_plan(ring(12, "DP16KD"), FLOOR)


def test_more_blocks_than_sites_are_refused():
    with pytest.raises(ValueError, match="19 DP16KD do not fit the 18 blocks"):
        floor_plan(ring(19, "DP16KD"), FLOOR)


def test_progress_tells_the_wires():
    lines = []
    floor_plan(ring(4, "DP16KD"), FLOOR, lines.append)
    assert len(lines) == 4 and "floor plan 4 of 4: wires " in lines[-1]


def test_the_floors_have_the_blocks_of_the_parts():
    # Lattice FPGA-DS-02012, table 1.1.
    for part, memories, multipliers in (("25k", 56, 28), ("85k", 208, 156)):
        assert {kind: len(sites) for kind, sites in FLOORS[part].sites.items()} == {
            "DP16KD": memories, "MULT18X18D": multipliers}


def test_the_columns_of_an_array_lie_side_by_side():
    names = [f"chip.array.cells.{path}.column.cell{i}.products.dsp0" for path in ("near.near", "near.far", "far.near")
             for i in range(4)]
    sites = {f"X{x}/Y{y}": (x, y) for x in range(8) for y in (5, 9)}
    found = _array_sites(names, range(len(names)), sites)
    places = [list(sites.values())[found[cell]] for cell in range(len(names))]
    assert len(set(places)) == 12
    # Two cells of a column in each row of sites, and the columns from the west in the order near near, near far, far.
    for column in range(3):
        assert [y for _, y in places[4 * column:4 * column + 4]] == [5, 5, 9, 9]
    assert [max(x for x, _ in places[4 * c:4 * c + 4]) < min(x for x, _ in places[4 * c + 4:4 * c + 8])
            for c in range(2)] == [True, True]


def test_an_array_too_large_for_that_is_left_free():
    names = [f"a.array.cells.{path}column.cell{i}.dsp0" for path in ("near.", "far.") for i in range(4)]
    assert _array_sites(names, range(8), {f"X{x}/Y0": (x, 0) for x in range(7)}) == {}


def test_growth_is_that_of_the_length():
    random = np.random.default_rng(3)
    nets = [np.sort(random.choice(12, size, replace=False)) for size in (2, 3, 5, 2, 7, 4)]
    graph = Hypergraph(nets)
    at = random.uniform(0, 10, 12)
    growth = graph.growth(at, np.arange(12), np.array([-2.0, 4.0, 13.0]))
    for c in range(12):
        lengths = []
        for place in (-2.0, 4.0, 13.0):
            moved = at.copy()
            moved[c] = place
            lengths.append(graph.length(moved))
        assert np.allclose(np.diff(lengths), np.diff(growth[c]))


def test_solving_shortens_wires_and_anchors_hold():
    random = np.random.default_rng(4)
    graph = Hypergraph([np.array([i, i + 1]) for i in range(29)])
    at = random.uniform(0, 100, 30)
    pull = np.zeros(30)
    pull[[0, 29]] = 1000
    anchors = np.where(np.arange(30) == 29, 100.0, 0.0)
    solved = at
    for _ in range(40):
        solved = graph.solve(solved, anchors, pull)
    assert graph.length(solved) == pytest.approx(100, abs=2)
    assert solved[[0, 29]] == pytest.approx([0, 100], abs=1)


_SOLVE = """
import hashlib
import numpy as np
from systolith.synth.hypergraph import Hypergraph
random, cells = np.random.default_rng(0), 30000
graph = Hypergraph([random.choice(cells, 3, replace=False) for _ in range(cells)])
places = graph.solve(random.uniform(0, 100, cells), random.uniform(0, 100, cells), np.full(cells, 0.1))
print(hashlib.sha256(places.tobytes()).hexdigest())
"""


def test_solving_comes_to_the_same_last_bit_on_each_machine():
    # So many cells that BLAS would divide its sums among threads, and sum up otherwise with each instruction set.
    found = {subprocess.run([sys.executable, "-c", _SOLVE], env=os.environ | settings, capture_output=True, check=True,
                            text=True).stdout
             for settings in ({"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "2"},
                              {"OPENBLAS_CORETYPE": "Sandybridge"})}
    assert len(found) == 1


def test_spreading_fills_the_box_and_keeps_the_order():
    random = np.random.default_rng(5)
    x, y = random.normal(50, 1, (2, 4000))
    areas = np.ones(4000)
    wide, high = spread(x, y, areas, (0, 100, 0, 60))
    counts = np.histogram2d(wide, high, bins=(10, 6), range=((0, 100), (0, 60)))[0]
    assert counts.min() > 0.5 * 4000 / 60 and counts.max() < 1.5 * 4000 / 60
    assert np.corrcoef(x, wide)[0, 1] > 0.9 and np.corrcoef(y, high)[0, 1] > 0.9


def test_a_planned_netlist_tells_nextpnr_how_to_refine_its_placement(tmp_path):
    netlist, module = tmp_path / "top.json", {"ports": {}, "cells": {}, "netnames": {}}
    for floor, settings in ("25k", {"placerHeap/parallelRefine": "1", "threads": "1"}), ("", None):
        netlist.write_text(json.dumps({"modules": {"top": module}}))
        arrange(Part("ecp5", (), floor=floor), tmp_path)
        assert json.loads(netlist.read_text())["modules"]["top"].get("settings") == settings


@pytest.mark.fpga
def test_an_array_is_placed_by_its_plan(tmp_path):
    config = replace(PRESETS["pico"], multiplier="winograd")
    part = Part("ecp5", ("--25k", "--package", "CABGA381", "--speed", "6"), "-nodsp", floor="25k")
    synthesise(convert(SystolicArray(config), "top", cells=CELLS["ecp5"]), "top", part, tmp_path)
    before = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    multipliers = [name for name in before if before[name]["type"] == "MULT18X18D"]
    held = _array_sites(multipliers, range(len(multipliers)), FLOORS["25k"].sites["MULT18X18D"])
    assert len(held) == 8  # 4 columns of 2 cells; the other 2 correct the sums
    arrange(part, tmp_path)
    after = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]
    assert all(after[name]["attributes"]["BEL"] in FLOORS["25k"].sites["MULT18X18D"] for name in multipliers)
    report = place_and_route(part, tmp_path, freq=50)
    assert report["utilization"]["MULT18X18D"]["used"] == len(multipliers) == 10
