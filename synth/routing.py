"""Placing and routing by nextpnr, again and again where it does not come to an end."""

import json
import re
import shutil
import tempfile
from pathlib import Path

from .report import slowest
from .stages import FAMILIES
from .tools import ToolError, run

__all__ = ["RIPUP", "StuckError", "place_and_route"]

#: Rounds of the router after which it is given up: where it ends, it takes 40 to 92 (once 123).
_ROUNDS = 120

#: With `RIPUP`, the clocks for which what is placed is routed until one is met, as shares of the one that is asked:
#: first for a little more, as the router's delays are up to 1.3% shorter than the final ones. Each has another seed, as
#: connections that turn in circles with one need not with the next.
_ROUTINGS = (1.015, 1.0075, 1, 0.95, 0.9)

#: Option of nextpnr: what is late is routed again.
RIPUP = "--tmg-ripup"


class StuckError(ToolError):
    """Placer or router do not come to an end; with another seed they may."""


def place_and_route(part, folder, *, freq, constraints=None, seed=1, options=(), progress=None):
    """Places and routes ``top.json``, the netlist in a build folder.

    Parameters
    ----------
    part : Part
    folder : Path
        Gets ``route.log``, ``report.json`` and the routed design.
    freq : float
        Clock to aim at in MHz. Missing it is no error: what was reached is in the report.
    constraints : str, optional
        Text of the constraint file; without it pins are placed anywhere.
    seed : int
        Of the placement.
    options : sequence of str
        More options of nextpnr. With `RIPUP` the router goes on until no connection is late; if it gets stuck, or if
        one is late in the end, it begins again, and the best counts; where it always got stuck, for less than `freq`.
    progress : callable (line), optional

    Returns
    -------
    dict
        nextpnr's report: ``fmax`` by clock, ``utilization`` by kind of cell, ``critical_paths``.

    Errors
    ------
    ToolError
        If nextpnr is missing or fails; most often the design is too large.
    StuckError
        If it is so crowded that cells find no place or the router does not end, or with `RIPUP` the clock out of reach.
    """
    family, folder = FAMILIES[part.family], Path(folder)
    common = [*part.options, "--freq", freq, "--timing-allow-fail", *options]
    if constraints is not None:
        (folder / f"top.{family.suffix}").write_text(constraints)
        common += [word.format(f"top.{family.suffix}") for word in family.constraints]
    elif part.family == "ecp5":
        common += ["--lpf-allow-unconstrained"]
    clocks = [freq]
    if RIPUP in options:
        # In two runs: with what is placed read afresh, the router takes less wire (docs/decisions/0018).
        _nextpnr(part, [*common, "--json", "top.json", "--no-route", "--write", "placed.json"], folder, seed, progress)
        common += ["--json", "placed.json", "--no-pack", "--no-place"]
        clocks = [freq * share for share in _ROUTINGS]
    else:
        common += ["--json", "top.json"]
    common += ["--report", "report.json", *family.routed]

    def watch(line):
        found = re.search(r"\biter=(\d+) .*overused=(\d+)(?:.*tmgfail=(\d+))?", line)
        if found and int(found[1]) >= _ROUNDS and (int(found[2]) or int(found[3] or 0)):
            raise StuckError(
                f"{family.router} was stopped after {_ROUNDS} rounds with {found[2]} wires in use twice"
                + (f" and {found[3]} connections late" if found[3] else "")
                + f": seed {seed} gives a placement that it cannot route, try another or a lower clock")
        if progress:
            progress(line)

    outputs = [folder / name for name in ("report.json", family.routed[-1])]
    placed = folder / "placed.json"
    try:
        _route(lambda number: _nextpnr(part, common, folder, seed + number, watch),
               freq, clocks, placed, outputs, progress)
    finally:
        placed.unlink(missing_ok=True)  # hundreds of megabytes
    return json.loads(outputs[0].read_text())


def _nextpnr(part, arguments, folder, seed, progress):
    """Runs it; it may be the seed's fault if cells find no place, though there are enough."""
    try:
        run(FAMILIES[part.family].router, [*arguments, "--seed", seed], folder, "route.log", progress)
    except ToolError as error:
        if "legal placement" in str(error):
            raise StuckError(f"{error}; seed {seed} leads there, try another") from None
        raise


def _route(route, freq, clocks, placed, outputs, progress):
    """Calls `route` with the number of each clock until that or `freq` is met; the outputs are in the end the best."""
    with tempfile.TemporaryDirectory(dir=placed.parent) as best:
        reached = 0
        for number, clock in enumerate(clocks):
            if clock < freq and reached:
                break  # late by a little is more than a lower clock
            if placed.exists():
                _retarget(placed, clock)
            try:
                route(number)
            except StuckError as error:
                if number == len(clocks) - 1 and not reached:
                    raise
                problem = error
            else:
                fmax = slowest(json.loads(outputs[0].read_text()))
                if fmax > reached:
                    reached = fmax
                    for path in outputs:
                        shutil.copy(path, best)
                if fmax >= min(clock, freq):
                    break
                problem = f"routed for {fmax:.2f} MHz only"
            if progress and number < len(clocks) - 1:
                progress(f"{problem}; routed again")
        for path in outputs:
            shutil.copy(Path(best) / path.name, path)


def _retarget(netlist, freq):
    """Writes another clock into what nextpnr has placed: that of the file counts, not `--freq`."""
    text = netlist.read_text()
    netlist.write_text(re.sub(r'"target_freq": "[^"]*"', f'"target_freq": "{freq * 1e6}"', text, count=1))
