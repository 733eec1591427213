"""Registers behind block memories: what becomes a block's own, and what must stay."""

import pytest
from systolith.synth.output_registers import use_output_registers


def register(d, q, **changes):
    parameters = {"CLKMUX": "CLK", "CEMUX": "1 ", "LSRMUX": "LSR", "REGSET": "RESET"}
    connections = {"CLK": [2], "DI": [d], "LSR": ["0"], "Q": [q]}
    for name, value in changes.items():
        (parameters if name in parameters else connections)[name] = value
    return {"type": "TRELLIS_FF", "parameters": parameters, "connections": connections,
            "port_directions": dict.fromkeys(connections, "input") | {"Q": "output"}}


def block(width="1001", **outputs):
    """A block memory whose outputs drive nets; those that nothing receives are there, too."""
    connections = {"CLKA": [2], "CLKB": [2], "OCEA": ["0"], "OCEB": ["0"], "RSTA": ["0"], "RSTB": ["0"],
                   "DOA5": [90], "DOB5": [91]} | {
        pin: [net] for pin, net in outputs.items()}
    return {"type": "DP16KD", "connections": connections,
            "parameters": {"DATA_WIDTH_B": width, "REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "CLKAMUX": "CLKA",
                           "CLKBMUX": "CLKB"},
            "port_directions": {pin: "output" if pin.startswith("DO") else "input" for pin in connections}}


def netlist(ports=(), **cells):
    return {"cells": cells, "ports": {"out": {"bits": list(ports)}}}


def test_a_word_that_goes_into_registers_at_once():
    module = netlist(block=block(DOB0=10, DOB1=11), first=register(10, 20), second=register(11, 21))
    assert use_output_registers(module) == 2
    memory, = module["cells"].values()
    assert memory["connections"]["DOB0"] == [20] and memory["connections"]["DOB1"] == [21]
    assert memory["connections"]["OCEB"] == ["1"] and memory["connections"]["OCEA"] == ["0"]
    assert memory["parameters"]["REGMODE_B"] == "OUTREG" and memory["parameters"]["REGMODE_A"] == "NOREG"


def test_each_port_for_itself():
    module = netlist(block=block(DOA0=10, DOB0=11), first=register(10, 20, LSR=[5]), second=register(11, 21))
    assert use_output_registers(module) == 1
    assert module["cells"].keys() == {"block", "first"}
    parameters = module["cells"]["block"]["parameters"]
    assert (parameters["REGMODE_A"], parameters["REGMODE_B"]) == ("NOREG", "OUTREG")


def test_a_wide_word_leaves_both_halves():
    cells = {"block": block(f"{36:b}", DOA0=10, DOB0=11), "first": register(10, 20), "second": register(11, 21)}
    assert use_output_registers(netlist(**cells)) == 2
    assert {cells["block"]["parameters"][f"REGMODE_{port}"] for port in "AB"} == {"OUTREG"}
    assert {cells["block"]["connections"][f"OCE{port}"][0] for port in "AB"} == {"1"}

    cells["block"], cells["second"] = block(f"{36:b}", DOA0=10, DOB0=11), register(11, 21, LSR=[5])
    cells["first"] = register(10, 20)
    assert use_output_registers(netlist(**cells)) == 0
    assert {cells["block"]["parameters"][f"REGMODE_{port}"] for port in "AB"} == {"NOREG"}


@pytest.mark.parametrize("changes", [
    {"LSR": [5]}, {"CEMUX": "CE", "CE": [5]}, {"CLK": [3]}, {"CLKMUX": "INV"}, {"LSRMUX": "INV"}, {"REGSET": "SET"}])
def test_a_register_that_does_more_stays(changes):
    """And with it that of the other bit: a port keeps all of its word or none."""
    module = netlist(block=block(DOB0=10, DOB1=11), first=register(10, 20, **changes), second=register(11, 21))
    assert use_output_registers(module) == 0 and len(module["cells"]) == 3
    assert module["cells"]["block"]["parameters"]["REGMODE_B"] == "NOREG"


def test_who_wants_the_word_at_once_gets_it():
    gate = {"type": "LUT4", "parameters": {}, "connections": {"A": [10], "Z": [30]},
            "port_directions": {"A": "input", "Z": "output"}}
    for module in (netlist(block=block(DOB0=10), first=register(10, 20), gate=gate),
                   netlist(block=block(DOB0=10), gate=gate), netlist(block=block(DOB0=10)),
                   netlist(block=block(DOB0=10), first=register(10, 20), second=register(10, 21)),
                   netlist([10], block=block(DOB0=10), first=register(10, 20)),
                   netlist(block=block(DOB0=10), first=register(7, 20, LSR=[10]))):
        assert use_output_registers(module) == 0
        assert module["cells"]["block"]["parameters"]["REGMODE_B"] == "NOREG"


def test_a_block_has_one_register():
    module = netlist(block=block(DOB0=10), first=register(10, 20), second=register(20, 30))
    assert [use_output_registers(module), use_output_registers(module)] == [1, 0]
    assert module["cells"].keys() == {"block", "second"}


@pytest.mark.parametrize("part, name, value", [("connections", "RSTB", [5]), ("parameters", "CLKBMUX", "INV")])
def test_a_port_that_is_reset_or_inverts_its_clock_stays(part, name, value):
    module = netlist(block=block(DOB0=10), first=register(10, 20))
    module["cells"]["block"][part][name] = value
    assert use_output_registers(module) == 0
