"""What the tools' files say: use of the part, cells by module, clocks, critical path. Pure functions of the files."""

import math
import re
from itertools import groupby

__all__ = ["RESOURCES", "clocks", "critical_path", "places_in_log", "resources_by_module", "slowest", "utilisation"]

#: The kinds of resource that reports count.
RESOURCES = ("lut", "ff", "dsp", "bram")

# By family, what a cell of a netlist takes: pattern of its type, resource, count. A carry cell of an ECP5 holds two
# LUTs; a distributed memory takes the LUTs that hold it; a Gowin multiplier of 18 bits takes two places of 9 bits.
_CELLS = {
    "ecp5": (("LUT4", "lut", 1), ("CCU2C", "lut", 2), ("TRELLIS_DPR16X4", "lut", 4), ("TRELLIS_FF", "ff", 1),
             ("MULT18X18D", "dsp", 1), ("DP16KD|PDPW16KD", "bram", 1)),
    "ice40": (("SB_LUT4", "lut", 1), ("SB_DFF.*", "ff", 1), ("SB_MAC16", "dsp", 1), ("SB_RAM40_4K.*", "bram", 1)),
    "gowin": (("LUT[1-4]|ALU", "lut", 1), ("RAM16SDP4", "lut", 4), ("DFF.*", "ff", 1), ("MULT9X9", "dsp", 1),
              ("MULT18X18", "dsp", 2), ("(SDP|DP|SP|pROM)(X9)?B?", "bram", 1)),
}

# By family, the places of nextpnr that a resource takes, with their counts; the first one tells what is available. An
# iCE40 has one kind of place for LUT and flip-flop.
_PLACES = {
    "ecp5": {"lut": {"TRELLIS_COMB": 1}, "ff": {"TRELLIS_FF": 1}, "dsp": {"MULT18X18D": 1}, "bram": {"DP16KD": 1}},
    "ice40": {"lut": {"ICESTORM_LC": 1}, "ff": {"ICESTORM_LC": 1}, "dsp": {"ICESTORM_DSP": 1},
              "bram": {"ICESTORM_RAM": 1}, "spram": {"ICESTORM_SPRAM": 1}},
    "gowin": {"lut": {"LUT4": 1, "ALU": 1}, "ff": {"DFF": 1}, "dsp": {"MULT9X9": 1, "MULT18X18": 2},
              "bram": {"BSRAM": 1}},
}


def utilisation(places, family):
    """What a design takes of a part.

    Parameters
    ----------
    places : dict
        Of nextpnr, by kind of place: ``{"used", "available"}``.
    family : str

    Returns
    -------
    dict
        The same by kind of resource: those of `RESOURCES`, and ``spram`` where the part has it.
    """
    return {resource: {"used": sum(places[place]["used"] * count for place, count in kinds.items()),
                       "available": places[next(iter(kinds))]["available"]}
            for resource, kinds in _PLACES[family].items()}


def places_in_log(text):
    """Kinds of place, as in `utilisation`, from the log of a nextpnr, which also tells them of a design too large."""
    rows = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", text, re.MULTILINE)
    return {place: {"used": int(used), "available": int(available)} for place, used, available in rows}


def resources_by_module(netlist, top, family):
    """What each module of a flattened netlist takes, without the modules in it.

    Parameters
    ----------
    netlist : dict
        JSON of yosys. It names a cell by a wire of the module that it came from (on a border perhaps of the
        neighbour), and each module by a ``$scopeinfo`` cell.
    top : str
        Name of the top module.
    family : str

    Returns
    -------
    dict
        By dotted name of the module (the top's is empty): `RESOURCES` to counts.
    """
    cells = netlist["modules"][top]["cells"]
    modules = {"": dict.fromkeys(RESOURCES, 0)}
    modules |= {name: dict.fromkeys(RESOURCES, 0) for name, cell in cells.items() if cell["type"] == "$scopeinfo"}
    kinds = [(re.compile(pattern), resource, count) for pattern, resource, count in _CELLS[family]]
    taken = {kind: [(resource, count) for pattern, resource, count in kinds if pattern.fullmatch(kind)]
             for kind in {cell["type"] for cell in cells.values()}}
    for name, cell in cells.items():
        for resource, count in taken[cell["type"]]:
            modules[_module(name, modules)][resource] += count
    return modules


def _module(cell, modules):
    """The innermost module of a cell: the names of signals may have dots as well."""
    while cell not in modules:
        cell = cell.rpartition(".")[0]
    return cell


def clocks(report):
    """MHz that each clock reached after routing, by the name of its net."""
    return {name: round(clock["achieved"], 2) for name, clock in report["fmax"].items()}


def slowest(report):
    """MHz of the slowest clock; infinite if there is none."""
    return min(clocks(report).values(), default=math.inf)


def critical_path(report, modules):
    """The slowest path within one clock.

    Parameters
    ----------
    report : dict
        Of nextpnr.
    modules : collection of str
        As the keys of `resources_by_module`.

    Returns
    -------
    list of dict
        From start to end, one for each module that it passes through: ``module``, ``logic_ns`` and ``routing_ns`` of
        its cells and of the nets that lead to them.
    """
    paths = [path["path"] for path in report["critical_paths"] if path["from"] == path["to"]]
    if not paths:
        return []
    slowest = max(paths, key=lambda path: sum(step["delay"] for step in path))
    hops = []
    for module, steps in groupby(slowest, key=lambda step: _module(step["to"]["cell"], modules)):
        delays = {True: 0, False: 0}
        for step in steps:
            delays[step["type"] == "routing"] += step["delay"]
        hops.append({"module": module, "logic_ns": round(delays[False], 2), "routing_ns": round(delays[True], 2)})
    return hops
