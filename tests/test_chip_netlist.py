"""Netlists of whole chips, and of an ECP5's block memories, in models of the vendors' cells."""

import pytest
from netlist_programs import check_random_program
from systolith.host.driver import Driver
from systolith.rtl.accumulators import Accumulators
from systolith.rtl.buffer import UnifiedBuffer
from systolith.rtl.config import Config
from systolith.rtl.top import Tpu
from systolith.rtl.verilog import convert
from systolith.rtl.weight_memory import WeightMemory
from systolith.sim.cocotb_runner import run_bench
from systolith.sim.verilator import TOP, VerilatorDevice, build
from systolith.synth.boards import BOARDS
from systolith.synth.cells import CELLS
from vendor import WITHOUT_PADS, netlist

pytestmark = pytest.mark.fpga

PART, TANG = BOARDS["ulx3s-85f"].part, BOARDS["tang-nano-20k"]
#: Memories so large that they become blocks.
CONFIG = Config(rows=3, cols=6, requantise_lanes=3, accumulator_depth=512, unified_buffer_bytes=16384,
                weight_fifo_tiles=2, weight_memory_rows=2 * WeightMemory.BANK_ROWS + 100, instruction_depth=512,
                vector_kernel_rows=3, queue_depth=3, tag_depth=4, packet_bytes=256, multiplier="winograd")
#: Blocks behind which there are registers: one a column, two a bank.
ACCUMULATORS, BUFFER = CONFIG.cols, 2 * CONFIG.banks


def registered(text):
    """Blocks that keep their words a cycle."""
    return text.count('REGMODE_B("OUTREG")')


@pytest.mark.parametrize("component, bench, blocks", [
    (Accumulators, "tb_accumulators", ACCUMULATORS), (UnifiedBuffer, "tb_buffer", BUFFER)])
def test_memories(component, bench, blocks, tmp_path):
    texts = []

    def make(text, top):
        texts.append(netlist(text, top, PART, tmp_path))
        return texts[0]

    run_bench(component(CONFIG), bench, CONFIG, "verilator", tmp_path, cells=CELLS["ecp5"], netlist=make)
    assert registered(texts[0]) == blocks


@pytest.mark.parametrize("part, config, blocks", [
    # Both ports of the accumulators, weights and instructions have registers as well.
    (PART, CONFIG, ACCUMULATORS + BUFFER + 1), (TANG.part, TANG.config, 0)], ids=["ecp5", "gowin"])
def test_a_chip_runs_random_programs(part, config, blocks, tmp_path):
    """Cycle for cycle as the Verilog of which the netlist is made, and byte for byte."""
    text = netlist(convert(Tpu(config), TOP, cells=CELLS[part.family]), TOP, part, tmp_path,
                   options=WITHOUT_PADS.get(part.family, ""))
    assert registered(text) >= blocks
    driver, reference = (Driver(VerilatorDevice(config, build(verilog)), config)
                         for verilog in (text, convert(Tpu(config), TOP)))
    assert sum(check_random_program(driver, reference, config, seed) for seed in range(1, 7))
