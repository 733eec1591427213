"""Copies of registers: each receiver keeps its value, and those of a copy are close to each other."""

import random

import pytest
from systolith.synth.replicate import replicate, to_buffers


def flip_flop(d, q, **connections):
    return {"type": "TRELLIS_FF", "attributes": {}, "port_directions": {
        "CLK": "input", "DI": "input", "CE": "input", "LSR": "input", "Q": "output"},
        "connections": {"CLK": [2], "DI": [d], "CE": ["1"], "LSR": ["0"], "Q": [q]} | connections}


def lut(z, *inputs):
    return {"type": "LUT4", "attributes": {}, "port_directions": dict.fromkeys("ABCD", "input") | {"Z": "output"},
            "connections": {port: [net] for port, net in zip("ABCD", (*inputs, *"0000"))} | {"Z": [z]}}


def netlist(**cells):
    nets = {bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits}
    return {"cells": cells, "netnames": {"all": {"bits": sorted(net for net in nets if isinstance(net, int))}}}


def fan(places, **register):
    """A register that another one feeds, and LUTs behind it at some places."""
    cells = {"first": flip_flop(3, 4), "source": flip_flop(4, 5, **register)}
    for i in range(len(places)):
        cells[f"to{i}"] = lut(10 + i, 5)
    return netlist(**cells), {f"to{i}": place for i, place in enumerate(places)} | {"source": (0, 0), "first": (0, 0)}


def sources(module):
    """By receiver the name of the register that drives it."""
    drivers = {cell["connections"]["Q"][0]: name for name, cell in module["cells"].items()
               if cell["type"] == "TRELLIS_FF"}
    return {name: drivers[cell["connections"]["A"][0]] for name, cell in module["cells"].items()
            if cell["type"] == "LUT4"}


def test_receivers_far_apart_get_registers_of_their_own():
    module, places = fan([(0, 0), (5, 1), (100, 0), (99, 3)])
    del module["cells"]["first"]
    assert replicate(module, places) == 1
    near, too, far, as_well = sources(module).values()
    assert near == too != far == as_well
    one, other = (module["cells"][name] for name in (near, far))
    assert one["connections"].pop("Q") != other["connections"].pop("Q")
    assert one == other  # all else is the same: the clock, the input, what enables and resets it


def test_what_feeds_copies_is_copied_too():
    module, places = fan([(0, 0), (100, 0)])
    assert replicate(module, places) == 2
    inputs = {source: module["cells"][source]["connections"]["DI"][0] for source in sources(module).values()}
    assert len(set(inputs.values())) == 2
    feeds = [cell["connections"] for name, cell in module["cells"].items() if name.startswith("first")]
    assert [feed["DI"] for feed in feeds] == [[3], [3]] and {feed["Q"][0] for feed in feeds} == set(inputs.values())


def test_receivers_close_together_share_one():
    module, places = fan([(0, 0), (20, 19), (3, 12)])
    assert replicate(module, places, reach=40) == 0
    assert set(sources(module).values()) == {"source"}


def test_copies_are_as_many_as_allowed_and_close_to_what_they_drive():
    rng = random.Random(1)
    module, places = fan([(rng.randrange(120), rng.randrange(90)) for _ in range(200)])
    del module["cells"]["first"]
    assert replicate(module, places, reach=10, most=6) == 5
    groups = {}
    for receiver, source in sources(module).items():
        groups.setdefault(source, []).append(places[receiver])
    assert len(groups) == 6 and sum(map(len, groups.values())) == 200
    for group in groups.values():
        width, height = (max(axis) - min(axis) for axis in zip(*group))
        assert width + height < 130  # of 210


@pytest.mark.parametrize("luts, copies", [(1, 1), (2, 0)])
def test_a_register_behind_more_than_a_lut_stays_alone(luts, copies):
    module, places = fan([(0, 0), (100, 0)])
    cells = module["cells"]
    net = 4
    for i in range(luts):
        cells[f"gate{i}"] = lut(50 + i, net, 4)
        net = 50 + i
    cells["source"]["connections"]["DI"] = [net]
    assert replicate(module, places | {f"gate{i}": (0, 0) for i in range(luts)}) == copies


def test_a_gate_with_many_receivers_is_copied_whatever_is_before_it():
    module, places = fan([(0, 0)] * 4 + [(100, 0)] * 4, DI=[50])
    cells = module["cells"]
    cells |= {"first_gate": lut(49, 4), "second_gate": lut(50, 49), "gate": lut(60, 5)}
    for i in range(8):
        cells[f"to{i}"]["connections"]["A"] = [60]
    assert replicate(module, places | dict.fromkeys(("gate", "first_gate", "second_gate"), (0, 0))) == 1
    gates = {cell["connections"]["Z"][0]: name for name, cell in cells.items() if name.startswith("gate")}
    near, far = ({gates[cells[f"to{i}"]["connections"]["A"][0]] for i in part} for part in (range(4), range(4, 8)))
    assert len(near) == len(far) == 1 and near != far
    # Both look at the register, which has no time for copies of its own.
    assert [cells[name]["connections"]["A"] for name in gates.values()] == [[5], [5]]


def test_an_enable_counts_as_an_input():
    module, places = fan([(0, 0), (100, 0)], CE=[60])
    module["cells"]["memory"] = {"type": "DP16KD", "port_directions": {"DOA0": "output"}, "connections": {"DOA0": [60]}}
    assert replicate(module, places) == 0


def test_a_register_that_feeds_itself_stays_what_it_was():
    module, places = fan([(0, 0), (100, 0)])
    module["cells"]["source"]["connections"]["DI"] = [70]
    module["cells"]["toggle"] = lut(70, 5)
    assert replicate(module, places | {"toggle": (0, 0)}) == 1
    registers = [cell for name, cell in module["cells"].items() if name.startswith("source")]
    assert [register["connections"]["DI"] for register in registers] == [[70], [70]]


def test_a_buffer_gets_a_register_beside_it():
    module, _ = fan([(0, 0)])
    module["cells"]["buffer"] = {"type": "DCCA", "port_directions": {"CLKI": "input", "CLKO": "output"},
                                 "connections": {"CLKI": [5], "CLKO": [80]}}
    assert to_buffers(module, ["X1/Y2/SLICEA.FF0"]) == 1
    copy, = (cell for name, cell in module["cells"].items() if name.startswith("source_"))
    assert copy["attributes"] == {"BEL": "X1/Y2/SLICEA.FF0"} and copy["connections"]["DI"] == [4]
    assert module["cells"]["buffer"]["connections"]["CLKI"] == copy["connections"]["Q"] != [5]
    assert sources(module) == {"to0": "source"} and module["cells"]["source"]["attributes"] == {}


def test_a_buffer_behind_a_clock_or_gates_keeps_its_source():
    module, _ = fan([(0, 0)])
    ports = {"CLKI": "input", "CLKO": "output"}
    module["cells"] |= {
        "gate": {"type": "DCCA", "port_directions": ports, "connections": {"CLKI": [90], "CLKO": [2]}},
        "late": flip_flop(71, 72), "second": lut(71, 70), "first_lut": lut(70, 5),
        "buffer": {"type": "DCCA", "port_directions": ports, "connections": {"CLKI": [72], "CLKO": [91]}}}
    assert to_buffers(module, []) == 0
