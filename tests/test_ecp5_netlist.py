"""Netlists with block memories of ECP5, their output registers in use, in models of the vendor's cells."""

import re

import pytest
from systolith.rtl.accumulators import Accumulators
from systolith.rtl.buffer import UnifiedBuffer
from systolith.rtl.config import Config
from systolith.rtl.top import Tpu
from systolith.rtl.weight_memory import WeightMemory
from systolith.sim.cocotb_runner import run_bench
from systolith.synth.boards import BOARDS
from systolith.synth.cells import CELLS
from vendor import netlist

pytestmark = pytest.mark.fpga

#: Memories so large that they become blocks.
CONFIG = Config(rows=3, cols=6, requantise_lanes=3, accumulator_depth=512, unified_buffer_bytes=16384,
                weight_fifo_tiles=2, weight_memory_rows=2 * WeightMemory.BANK_ROWS + 100, instruction_depth=512,
                vector_kernel_rows=3, queue_depth=3, tag_depth=4, packet_bytes=256, multiplier="winograd")


@pytest.mark.parametrize("component, bench, rounds, registered", [
    (Accumulators, "tb_accumulators", 1, CONFIG.cols), (UnifiedBuffer, "tb_buffer", 1, 2 * CONFIG.banks),
    (Tpu, "tb_chip", 6, 2 * (CONFIG.cols + CONFIG.banks))], ids=["accumulators", "buffer", "chip"])
def test_a_netlist_does_what_the_chip_does(component, bench, rounds, registered, tmp_path):
    """`registered`: block memories at least that keep their words a cycle."""
    texts = []

    def make(text, top):
        texts.append(netlist(text, top, BOARDS["ulx3s-85f"].part, tmp_path))
        return texts[0]

    run_bench(component(CONFIG), bench, CONFIG, "verilator", tmp_path, rounds=rounds, cells=CELLS["ecp5"], netlist=make)
    assert len(re.findall(r'REGMODE_B\("OUTREG"\)', texts[0])) >= registered
