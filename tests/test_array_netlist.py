"""Synthesised arrays of every vendor's multipliers, in models of the vendor's cells, against numpy."""

import pytest
from systolith.rtl.array import SystolicArray
from systolith.rtl.config import Config
from systolith.sim.cocotb_runner import run_bench
from systolith.synth.boards import BOARDS
from systolith.synth.cells import CELLS
from vendor import WITHOUT_PADS, netlist


@pytest.mark.fpga
@pytest.mark.parametrize("board, kind, adder_columns", [
    ("ulx3s-85f", "dsp", 0), ("ulx3s-85f", "winograd", 0), ("ulx3s-25f", "winograd", 1), ("icebreaker", "dsp", 0),
    ("icebreaker", "winograd", 0), ("tang-nano-20k", "dsp", 0), ("tang-nano-20k", "winograd", 0)])
def test_arrays_multiply_as_numpy(board, kind, adder_columns, tmp_path):
    part = BOARDS[board].part
    config = Config(rows=5, cols=3, requantise_lanes=1, multiplier=kind, adder_columns=adder_columns)
    run_bench(SystolicArray(config), "tb_array", config, "verilator", tmp_path, cells=CELLS[part.family],
              netlist=lambda text, top: netlist(text, top, part, tmp_path, options=WITHOUT_PADS.get(part.family, "")))
