"""From Verilog to a bitstream in three stages, each one run of a tool in a build folder."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .global_nets import promote
from .replicate import replicate, to_buffers
from .tools import ToolError, run

__all__ = ["FAMILIES", "RIPUP", "Family", "Part", "RouterStuckError", "arrange", "pack", "place_and_route",
           "synthesise"]


#: Rounds of the router after which it is given up: where it ends, it takes 40 to 92 (once 123).
_ROUNDS = 120

#: With `RIPUP`, the clocks for which what is placed is routed until one is met, as shares of the one that is asked;
#: each with another seed, as connections that turn in circles with one need not with the next.
_ROUTINGS = (1, 1, 1, 0.95, 0.9)

#: Option of nextpnr: what is late is routed again.
RIPUP = "--tmg-ripup"

#: What a netlist whose floor is planned tells nextpnr besides: in place of its refinement by simulated annealing, the
#: newer one, which leaves half as many connections late; by one thread, for by several each run ends elsewhere. In the
#: netlist, for nextpnr of pip does not know the option, and passes over the setting.
_SETTINGS = {"placerHeap/parallelRefine": "1", "threads": "1"}


class RouterStuckError(ToolError):
    """The router does not come to an end; with another seed it may."""


@dataclass(frozen=True)
class Family:
    """How the tools are called for one family of FPGAs.

    Members
    -------
    synthesis : str
        Command of yosys, without ``-top``.
    router : str
        The nextpnr.
    constraints : tuple of str
        How a constraint file is given to it, with a place for the name.
    suffix : str
        Of such a file.
    routed : tuple of str
        How it is told to write the routed design, and that file.
    packer : tuple of str
        What makes the bitstream of the routed design; `{name}` is a part's `packed_as`.
    bitstream : str
        The file that it makes.
    techmap : str
        File in ``techmap/`` by which cells of the netlist are rewritten, if any.
    global_nets : int
        How many control nets `systolith.synth.global_nets` puts onto the global network.
    """
    synthesis: str
    router: str
    constraints: tuple
    suffix: str
    routed: tuple
    packer: tuple
    bitstream: str
    techmap: str = ""
    global_nets: int = 0

    @property
    def tools(self):
        """All tools that the stages run."""
        return "yosys", self.router, self.packer[0]


FAMILIES = {
    "ecp5": Family("synth_ecp5", "nextpnr-ecp5", ("--lpf", "{}"), "lpf", ("--textcfg", "top.config"),
                   ("ecppack", "--compress", "top.config", "top.bit"), "top.bit", techmap="ecp5.v",
                   global_nets=7),
    # Without -dsp, which takes the SB_MAC16 of our cells for products that it has found, and drops their settings.
    "ice40": Family("synth_ice40 -device u -spram", "nextpnr-ice40", ("--pcf", "{}"), "pcf", ("--asc", "top.asc"),
                    ("icepack", "top.asc", "top.bin"), "top.bin"),
    "gowin": Family("synth_gowin", "nextpnr-himbaechel", ("--vopt", "cst={}"), "cst", ("--write", "top.routed.json"),
                    ("gowin_pack", "-d", "{name}", "-o", "top.fs", "top.routed.json"), "top.fs"),
}


@dataclass(frozen=True)
class Part:
    """One FPGA.

    Members
    -------
    family : str
        Key of `FAMILIES`.
    options : tuple of str
        What names it to nextpnr.
    synthesis : str
        Options of yosys for it.
    packed_as : str
        What names it to the packer, if that wants a name.
    floor : str
        Key of `systolith.synth.floorplan.FLOORS`, if its blocks are to be planned.
    """
    family: str
    options: tuple
    synthesis: str = ""
    packed_as: str = ""
    floor: str = ""


def synthesise(verilog, top, part, folder, *, rtlil="", options="", progress=None):
    """Makes a netlist of Verilog.

    Parameters
    ----------
    verilog : str
        The text.
    top : str
        Its top module.
    part : Part
    folder : Path
        Build folder; is made if it is not there. Gets the sources, ``top.json`` and ``synthesis.log``.
    rtlil : str
        More modules, in the language of yosys.
    options : str
        More options of the synthesis command.
    progress : callable (line), optional
        Gets each line that the tool prints.

    Returns
    -------
    Path
        ``modules.netlist.json``, the netlist with a ``$scopeinfo`` cell for each module that was flattened.

    Errors
    ------
    ToolError
        If yosys is missing or fails.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "top.v").write_text(verilog)
    (folder / "top.il").write_text(rtlil)
    family = FAMILIES[part.family]
    command = " ".join(filter(None, (family.synthesis, part.synthesis, options)))
    rewrite = ""
    if family.techmap:
        (folder / "techmap.v").write_text((Path(__file__).parent / "techmap" / family.techmap).read_text())
        rewrite = "techmap -map techmap.v; opt_expr; clean; "
    # Older nextpnr, such as Debian's, do not know the cells that tell which module a cell comes from.
    script = (f"read_verilog -sv top.v; read_rtlil top.il; {command} -top {top}; {rewrite}"
              "write_json modules.netlist.json; delete */t:$scopeinfo; write_json top.json")
    run("yosys", ["-p", script], folder, "synthesis.log", progress)
    return folder / "modules.netlist.json"


def arrange(part, folder, *, progress=None):
    """Decides for ``top.json``, the netlist in a build folder, what nextpnr would decide badly: which control nets are
    global, and for a part with a floor, where its memories and multipliers are.

    Parameters
    ----------
    part : Part
    folder : Path
    progress : callable (line), optional

    Errors
    ------
    ToolError
        If scipy is missing.
    """
    netlist, family = Path(folder) / "top.json", FAMILIES[part.family]
    if not (family.global_nets or part.floor):
        return
    design = json.loads(netlist.read_text())
    module = max(design["modules"].values(), key=lambda module: len(module["cells"]))
    if part.floor:
        module.setdefault("settings", {}).update(_SETTINGS)
        planner = _planner()
        floor = planner.FLOORS[part.floor]
        promote(module, family.global_nets, sites=floor.global_buffers)
        try:
            blocks, places = planner.floor_plan(module, floor, progress)
        except ValueError:
            blocks, places = {}, {}  # more blocks than there are: nextpnr says of everything how much
        for cell, site in blocks.items():
            module["cells"][cell].setdefault("attributes", {})["BEL"] = site
        copies = to_buffers(module, floor.by_buffers) + replicate(module, places)
        if progress is not None:
            progress(f"floor plan: {copies} copies of what has receivers far apart")
    else:
        promote(module, family.global_nets)
    netlist.write_text(json.dumps(design))


def _planner():
    try:
        from . import floorplan
    except ModuleNotFoundError as error:
        raise ToolError(f"planning the floor needs {error.name}, which `pip install {error.name}` installs") from None
    return floorplan


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
        one is late in the end, it begins again, in the end for less than `freq`, and what it came to last counts.
    progress : callable (line), optional

    Returns
    -------
    dict
        nextpnr's report: ``fmax`` by clock, ``utilization`` by kind of cell, ``critical_paths``.

    Errors
    ------
    ToolError
        If nextpnr is missing or fails; most often the design is too large.
    RouterStuckError
        If it is so crowded that the router does not end, or with `RIPUP` the clock out of reach.
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
        run(family.router, [*common, "--json", "top.json", "--seed", seed, "--no-route", "--write", "placed.json"],
            folder, "route.log", progress)
        common += ["--json", "placed.json", "--no-pack", "--no-place"]
        clocks = [freq * share for share in _ROUTINGS]
    else:
        common += ["--json", "top.json"]
    common += ["--report", "report.json", *family.routed]

    def watch(line):
        found = re.search(r"\biter=(\d+) .*overused=(\d+)(?:.*tmgfail=(\d+))?", line)
        if found and int(found[1]) >= _ROUNDS and (int(found[2]) or int(found[3] or 0)):
            raise RouterStuckError(
                f"{family.router} was stopped after {_ROUNDS} rounds with {found[2]} wires in use twice"
                + (f" and {found[3]} connections late" if found[3] else "")
                + f": seed {seed} gives a placement that it cannot route, try another or a lower clock")
        if progress:
            progress(line)

    report = None
    for number, clock in enumerate(clocks):
        if clock != freq:
            _retarget(folder / "placed.json", clock)
        try:
            run(family.router, [*common, "--seed", seed + number], folder, "route.log", watch)
        except RouterStuckError as error:
            if number == len(clocks) - 1 and report is None:
                raise
            problem = error
        else:
            report = json.loads((folder / "report.json").read_text())
            late = _late(report)
            if not late:
                break
            problem = f"routed for {late} only"
        if progress and number < len(clocks) - 1:
            progress(f"{problem}; routed again for {clocks[number + 1]:.2f} MHz")
    (folder / "placed.json").unlink(missing_ok=True)  # hundreds of megabytes
    return report


def _retarget(netlist, freq):
    """Writes another clock into what nextpnr has placed: that of the file counts, not `--freq`."""
    text = netlist.read_text()
    netlist.write_text(re.sub(r'"target_freq": "[^"]*"', f'"target_freq": "{freq * 1e6}"', text, count=1))


def _late(report):
    """What the clocks that are missed have reached. With `RIPUP`, too, there may be one: what the router takes for a
    delay is a little less, now and then, than it is in the end."""
    return ", ".join(f"{clock['achieved']:.2f} MHz" for clock in report["fmax"].values()
                     if clock["achieved"] < clock["constraint"])


def pack(part, folder, *, progress=None):
    """Makes the bitstream of the routed design in a build folder.

    Returns
    -------
    Path

    Errors
    ------
    ToolError
        If the packer is missing or fails.
    """
    family = FAMILIES[part.family]
    tool, *arguments = (word.format(name=part.packed_as) for word in family.packer)
    run(tool, arguments, folder, "pack.log", progress)
    return Path(folder) / family.bitstream
