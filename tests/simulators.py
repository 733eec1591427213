"""A mark for tests that run on Icarus Verilog."""

import shutil

import pytest

__all__ = ["icarus_only"]

# Pip does not have Icarus, and `make test` must do without; CI installs it. What goes: the vendors' models with unknown
# values, which Verilator does not have, and the second run of benches that Verilator runs as well.
icarus_only = pytest.mark.skipif(shutil.which("iverilog") is None, reason="no Icarus here: apt-get install iverilog")
