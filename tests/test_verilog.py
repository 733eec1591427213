"""Verilog text: deterministic, fit for Icarus, with the ports that `ports` lists."""

import re

from systolith.rtl import verilog
from systolith.rtl.config import Config
from systolith.rtl.isa import Destination
from systolith.rtl.matrix import MatrixUnit
from systolith.rtl.parameters import ParameterStore
from systolith.rtl.sequencer import Sequencer

CONFIG = Config(rows=2, cols=2, requantise_lanes=1, accumulator_depth=16)


def test_deterministic_and_clean():
    text = verilog.convert(MatrixUnit(CONFIG), "chip")
    assert text == verilog.convert(MatrixUnit(CONFIG), "chip")
    assert "always @*" not in text and "always_comb" in text
    assert "src =" not in text


def test_ports_are_those_of_the_module():
    unit = MatrixUnit(CONFIG)
    text = verilog.convert(unit, "chip")
    top = text[text.index("module chip("):]
    declared = {name: (direction, int(high or 0) + 1) for direction, high, name in
                re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", top[:top.index("endmodule")], re.MULTILINE)}
    assert declared.pop("clk") == declared.pop("rst") == ("input", 1)
    listed = {port["name"]: (port["direction"], port["width"]) for port in verilog.ports(unit)}
    assert declared == listed
    assert listed["unit__issue__payload"] == ("input", 144)
    assert listed["unit__issue__ready"] == ("output", 1)
    assert listed["weights__payload"] == ("input", 16)


def test_size_grows_with_rows_plus_cols():
    """A stamped array: four times the columns do not double the text; modules are added as halves of what is halved."""
    small, large = (verilog.convert(MatrixUnit(Config(rows=2, cols=cols, requantise_lanes=1))) for cols in (9, 36))
    assert large.count("\nendmodule") <= small.count("\nendmodule") + 20
    assert len(large) < 2 * len(small)


def test_flat_text_is_one_module():
    text = verilog.convert(MatrixUnit(CONFIG), "chip", flat=True)
    assert [name for name in re.findall(r"^module (\w+)", text, re.MULTILINE) if "memory" not in name] == ["chip"]
    assert len(text) < len(verilog.convert(MatrixUnit(CONFIG), "chip"))


def test_no_name_has_brackets():
    """ABC9 of yosys takes a signal `x[0]` for bit 0 of `x`."""
    text = verilog.convert(Sequencer(CONFIG), "chip")
    assert re.search(r"\\\S+\(0\) ", text), "an element of an array has a name of its own"
    assert not re.search(r"\\\S*[][]", text)


def test_nothing_of_no_bits():
    """The parameters of `v1` come in one part, whose number takes no bits; `[-1:0]` would be two."""
    config = Config(rows=2, cols=4, requantise_lanes=2, weight_memory="external")
    text = verilog.convert(ParameterStore(config, Destination.ACTIVATION, 2), "chip")
    assert "[-1:0]" not in text and not re.search(r"\bread_part\b", text) and re.search(r"\bread_beat\b", text)
