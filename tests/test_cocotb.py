"""The Verilog under cocotb: the same test benches on Icarus Verilog and on Verilator."""

import os

import pytest
from simulators import icarus_only
from systolith.rtl.accumulators import Accumulators
from systolith.rtl.activation import ActivationUnit
from systolith.rtl.array import SystolicArray
from systolith.rtl.buffer import UnifiedBuffer
from systolith.rtl.config import MULTIPLIERS, Config
from systolith.rtl.mac import MacCell
from systolith.rtl.requantise import RequantiseLane
from systolith.rtl.sequencer import Sequencer
from systolith.rtl.top import Tpu
from systolith.rtl.vector import VectorUnit
from systolith.sim import cocotb_runner
from systolith.sim.cocotb_runner import BenchError, run_bench
from systolith.synth.cells import CELLS
from vendor import vendor_models

SMALL = Config(rows=4, cols=4, requantise_lanes=2)
KINDS = {kind: Config(rows=5, cols=3, requantise_lanes=1, multiplier=kind) for kind in MULTIPLIERS}

#: Rows other than columns, none a power of two, and memories in which random programs often collide.
UNITS = Config(rows=3, cols=6, requantise_lanes=3, accumulator_depth=64, unified_buffer_bytes=1024, weight_fifo_tiles=2,
               weight_memory_rows=640, vector_kernel_rows=3, instruction_depth=512, queue_depth=3, tag_depth=4,
               packet_bytes=256, multiplier="winograd")


@pytest.fixture(params=[pytest.param("icarus", marks=icarus_only), "verilator"])
def simulator(request):
    """Each simulator."""
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_mac(simulator, kind, tmp_path):
    run_bench(MacCell(kind, 2, 19), "tb_mac", KINDS[kind], simulator, tmp_path)


def test_verilator_needs_no_command_of_the_name_python(tmp_path, monkeypatch):
    wrong = tmp_path / "bin" / "python"
    wrong.parent.mkdir()
    wrong.write_text("#!/bin/sh\nexit 1\n")
    wrong.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrong.parent}{os.pathsep}{os.environ['PATH']}")
    folder = tmp_path / "bench"
    folder.mkdir()
    run_bench(RequantiseLane(2), "tb_requantise", SMALL, "verilator", folder)


@pytest.mark.parametrize("kind", KINDS)
def test_array(simulator, kind, tmp_path):
    run_bench(SystolicArray(KINDS[kind]), "tb_array", KINDS[kind], simulator, tmp_path)


@icarus_only
@pytest.mark.parametrize("family, kind", [("ecp5", "dsp"), ("ecp5", "winograd"), ("ice40", "dsp"), ("gowin", "dsp"),
                                          ("gowin", "winograd")])
def test_array_of_vendor_cells(family, kind, tmp_path):
    run_bench(SystolicArray(KINDS[kind]), "tb_array", KINDS[kind], "icarus", tmp_path, cells=CELLS[family],
              models=vendor_models(family))


def test_accumulators(simulator, tmp_path):
    config = Config(rows=3, cols=5, requantise_lanes=1, accumulator_depth=21)
    run_bench(Accumulators(config), "tb_accumulators", config, simulator, tmp_path)


def test_requantise(simulator, tmp_path):
    run_bench(RequantiseLane(2), "tb_requantise", SMALL, simulator, tmp_path)


def test_buffer(simulator, tmp_path):
    config = Config(rows=3, cols=5, requantise_lanes=1, unified_buffer_bytes=264)
    run_bench(UnifiedBuffer(config), "tb_buffer", config, simulator, tmp_path)


def test_activation(simulator, tmp_path):
    run_bench(ActivationUnit(UNITS), "tb_activation", UNITS, simulator, tmp_path, rounds=8)


def test_vector(tmp_path):
    run_bench(VectorUnit(UNITS), "tb_vector", UNITS, "verilator", tmp_path, rounds=3)


def test_sequencer(tmp_path):
    run_bench(Sequencer(UNITS), "tb_sequencer", UNITS, "verilator", tmp_path, rounds=5)


def test_chip(tmp_path):
    run_bench(Tpu(UNITS), "tb_chip", UNITS, "verilator", tmp_path, rounds=6)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [
    {}, {"rows": 8, "cols": 8, "requantise_lanes": 4, "vector_taps": 2, "weight_path_rows": 2}],
                         ids=["3x6", "8x8"])
def test_chip_at_length(shape, tmp_path):
    config = Config(**{**UNITS.as_dict(), **shape})
    run_bench(Tpu(config), "tb_chip", config, "verilator", tmp_path, seed=1000, rounds=80)


@icarus_only
def test_a_bench_that_fails_is_named(tmp_path):
    with pytest.raises(BenchError, match="failed: results_as_by_arithmetic"):
        run_bench(MacCell(SMALL.multiplier, 2, 18), "tb_requantise", SMALL, "icarus", tmp_path)


@icarus_only
def test_a_build_that_fails_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(cocotb_runner, "convert", lambda component, name, cells: "module dut(")
    with pytest.raises(BenchError, match="syntax error"):
        run_bench(MacCell(SMALL.multiplier, 2, 18), "tb_mac", SMALL, "icarus", tmp_path)
