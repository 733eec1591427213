"""A mark for tests that run on Icarus Verilog."""

import shutil

import pytest

__all__ = ["icarus_only"]

# Without Icarus go the vendors' models with unknown values, which Verilator does not have, and the second run of
# benches that Verilator runs as well. CI installs it.
icarus_only = pytest.mark.skipif(
    shutil.which("iverilog") is None,
    reason="needs Icarus Verilog, which pip does not have and `make test` must do without: `apt-get install iverilog`")
