"""Synthesised arrays of every vendor's multipliers, in models of the vendor's cells, against numpy."""

import pytest
from systolith.rtl.array import SystolicArray
from systolith.rtl.config import Config
from systolith.sim.cocotb_runner import run_bench
from systolith.synth.boards import BOARDS
from systolith.synth.cells import CELLS
from vendor import netlist

# Arrays are no chips: without pads.
OPTIONS = {"gowin": "-noiopads"}


@pytest.mark.fpga
@pytest.mark.parametrize("board, kind", [
    ("ulx3s-85f", "dsp"), ("ulx3s-85f", "winograd"), ("icebreaker", "dsp"), ("tang-nano-20k", "dsp"),
    ("tang-nano-20k", "winograd")])
def test_arrays_multiply_as_numpy(board, kind, tmp_path):
    part = BOARDS[board].part
    config = Config(rows=5, cols=3, requantise_lanes=1, multiplier=kind)
    run_bench(SystolicArray(config), "tb_array", config, "verilator", tmp_path, cells=CELLS[part.family],
              netlist=lambda text, top: netlist(text, top, part, tmp_path, options=OPTIONS.get(part.family, "")))
