"""Builds the bitstream of a board and reports what it takes and how fast it is. Results are cached by content."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path
from systolith.rtl.uart import DEFAULT_BAUD

from .boards import BoardError
from .report import clocks, critical_path, places_in_log, resources_by_module, slowest, utilisation
from .routing import RIPUP, StuckError, place_and_route
from .stages import FAMILIES, arrange, pack, synthesise
from .tools import ToolError, version
from .top import TOP, prepare

__all__ = ["build", "build_folder"]

#: Seeds that are tried where none is asked for.
_SEEDS = 3


def build_folder(board):
    """Where a board is built if nothing else is said."""
    return Path("build") / board.name


def build(board, folder, *, config=None, freq=None, baud=DEFAULT_BAUD, seed=None, progress=lambda stage, line: None):
    """The bitstream of a board, and a report.

    The cache is the user's cache directory, or the directory that the environment variable SYSTOLITH_CACHE names.

    Parameters
    ----------
    board : Board
    folder : Path
        Gets the sources, the logs and the bitstream.
    config : Config, optional
        By default the board's.
    freq : float, MHz, optional
        Core clock; by default the board's.
    baud : number
        Of the UART.
    seed : int, optional
        Of the placement; by default the board's, and if placer or router get stuck with it or miss the clock, the next
        ones: the fastest counts. If late connections are routed again (`RIPUP`), and all get stuck, it is the first one
        without.
    progress : callable (stage, line)
        Gets what the tools print.

    Returns
    -------
    dict
        ``board``, ``config``, ``macs``, ``seed``; ``clock_mhz``, at which the chip will run; ``fmax_mhz`` of the core
        clock, ``clocks`` (MHz by clock) and ``timing_met``; ``peak_gops``; ``lut``, ``ff``, ``dsp``, ``bram`` (and
        ``spram``) with ``used`` and ``available``; ``modules`` (`resources_by_module`); ``critical_path``;
        ``bitstream``, its file.

    Errors
    ------
    BoardError
        If the chip does not fit the board; it says by how much.
    ConfigError
        If clock or baud are out of range.
    ToolError
        If a tool is missing or fails, or another build is at work in the folder.
    """
    config, folder = config or board.config, Path(folder)
    progress("elaborate", config.name)
    design = prepare(board, config, freq or board.freq, baud)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _build(board, folder, config, design, seed, progress)
    except Timeout:
        raise ToolError(f"another build is at work in {folder}: wait for it, or name another folder by --output"
                        ) from None


def _build(board, folder, config, design, seed, progress):
    """`build` in a folder that nobody else works in."""
    part, family = board.part, FAMILIES[board.part.family]
    seeds = range(board.seed, board.seed + _SEEDS) if seed is None else (seed,)
    versions = [version(tool) for tool in family.tools]
    # With the sources that plan the floor and rewrite the netlist; what the table of boards says is in the design.
    sources = [path.read_text() for path in sorted(Path(__file__).parent.rglob("*"))
               if path.suffix in (".py", ".v") and path.name != "boards.py"]
    synthesis_key = _key(design.chip, design.top, repr(part), repr(family), versions[0], *sources)

    def make_netlist():
        netlist = synthesise(design.chip, TOP, part, folder, rtlil=design.top,
                             progress=lambda line: progress("synthesise", line))
        modules = resources_by_module(json.loads(netlist.read_text()), TOP, part.family)
        (folder / "modules.json").write_text(json.dumps(modules))
        arrange(part, folder, progress=lambda line: progress("plan floor", line))

    def make_bitstream(seed, options):
        _cached(synthesis_key, folder, ("top.json", "modules.json", "synthesis.log"), make_netlist)
        try:
            place_and_route(part, folder, freq=design.clock, constraints=design.constraints, seed=seed,
                            options=options, progress=lambda line: progress("place and route", line))
        except ToolError:
            _raise_if_too_large(board, config, folder / "route.log")
            raise
        pack(part, folder, progress=lambda line: progress("pack", line))

    options = board.router_options
    attempts = [(seed, options) for seed in seeds]
    if RIPUP in options:
        # If no seed meets the clock, what comes without.
        attempts.append((seeds[0], tuple(option for option in options if option != RIPUP)))
    keys = {attempt: _key(synthesis_key, design.constraints, str(attempt[0]), *attempt[1], *versions)
            for attempt in attempts}
    names = family.bitstream, "report.json", "modules.json", "synthesis.log", "route.log"
    reached = {}
    # What is there already first.
    for attempt in sorted(attempts, key=lambda attempt: not _is_cached(keys[attempt])):
        if reached and attempt[1] != options:
            break
        try:
            _cached(keys[attempt], folder, names, lambda attempt=attempt: make_bitstream(*attempt))
        except StuckError as error:
            if attempt == attempts[-1] and not reached:
                raise
            progress("place and route", str(error))
            continue
        reached[attempt] = slowest(json.loads((folder / "report.json").read_text()))
        if reached[attempt] >= design.clock or attempt[1] != options:
            break
        progress("place and route", f"seed {attempt[0]}: {reached[attempt]:.2f} MHz of {design.clock:.2f}")
    best = max(reached, key=reached.get)
    _cached(keys[best], folder, names, None)
    seed, _ = best
    report = json.loads((folder / "report.json").read_text())
    modules = json.loads((folder / "modules.json").read_text())
    used = utilisation(report["utilization"], part.family)
    if part.family == "ice40":
        # A logic cell holds a LUT and a flip-flop: only the netlist tells how many have one.
        used["ff"]["used"] = sum(module["ff"] for module in modules.values())
    fmax = slowest(report)
    return {"board": board.name, "config": config.name, "macs": config.macs, "seed": seed,
            "clock_mhz": round(design.clock, 3), "fmax_mhz": fmax, "clocks": clocks(report),
            "timing_met": fmax >= design.clock, "peak_gops": round(2 * config.macs * fmax / 1000, 2), **used,
            "modules": modules, "critical_path": critical_path(report, modules),
            "bitstream": str(folder / family.bitstream)}


def _raise_if_too_large(board, config, log):
    """Raises `BoardError` if the log of the router says that something is more than the part has."""
    places = places_in_log(log.read_text())
    if not places:
        return
    over = [f"{resource.upper()} {row['used']:,} of {row['available']:,}"
            for resource, row in utilisation(places, board.part.family).items() if row["used"] > row["available"]]
    if over:
        raise BoardError(f"configuration {config.name} does not fit {board.name}: it takes {', '.join(over)}") from None


def _cache():
    return Path(os.environ.get("SYSTOLITH_CACHE") or user_cache_path("systolith")) / "fpga"


def _is_cached(key):
    return (_cache() / key).is_dir()


def _cached(key, folder, names, make):
    """Gets files into a folder: from the cache, else by `make`. A set is in the cache whole or not at all."""
    cache = _cache()
    if not _is_cached(key):
        make()
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            entry = Path(name) / "entry"
            entry.mkdir()
            for file in names:
                shutil.copy(folder / file, entry)
            if not _is_cached(key):
                entry.rename(cache / key)
    else:
        for file in names:
            shutil.copy(cache / key / file, folder)


def _key(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:24]
