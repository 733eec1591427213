"""What the systolic array alone takes of an FPGA and how fast it is, so that it compares with other arrays."""

import functools
import json
from statistics import median

from systolith.rtl.array import SystolicArray
from systolith.rtl.verilog import convert

from .boards import BOARDS
from .cells import CELLS
from .report import RESOURCES, clocks, resources_by_module
from .routing import place_and_route
from .scan import ScanHarness
from .stages import synthesise

__all__ = ["FAMILIES", "measure_array"]

_TOP = "top"

#: By family: the board whose part it is, and the clock in MHz that the router aims at.
FAMILIES = {"ecp5": ("ulx3s-85f", 170), "ice40": ("icebreaker", 80), "gowin": ("tang-nano-20k", 170)}

# Any pins will do, but nextpnr for Gowin wants to be told which.
_CONSTRAINTS = {"gowin": "".join(f'IO_LOC "{name}" {pin};\n' for name, pin in (
    ("clk", 4), ("rst", 88), ("scan_in", 15), ("scan_out", 16)))}


def measure_array(config, family, seeds, folder, progress=None):
    """Places and routes the array between scan chains, once for each seed.

    Parameters
    ----------
    config : Config
        Of which the rows, columns and multipliers count.
    family : str
        Key of `FAMILIES`.
    seeds : int
        How many placements to try.
    folder : Path
        Where the tools work.
    progress : callable (stage, line), optional
        Gets the lines that the tools print.

    Returns
    -------
    dict
        ``family``, ``part``, ``rows``, ``cols``, ``macs``, ``multiplier``, ``adder_columns``; ``lut``, ``ff``, ``dsp``,
        ``bram`` of the array without the chains; ``lut_per_mac``, ``ff_per_mac``, ``macs_per_dsp`` (None without
        DSPs); ``fmax_mhz``, the median of ``fmax_mhz_by_seed``; ``peak_gops``.

    Errors
    ------
    ToolError
        If a tool is missing or fails.
    """
    board, freq = FAMILIES[family]
    part = BOARDS[board].part
    harness = ScanHarness(SystolicArray(config))
    def lines(stage):
        return progress and functools.partial(progress, stage)

    netlist = synthesise(convert(harness, _TOP, cells=CELLS[family]), _TOP, part, folder, progress=lines("synthesise"))
    taken = _cells(json.loads(netlist.read_text()), harness, family)
    fmax = []
    for seed in range(1, seeds + 1):
        report = place_and_route(part, folder, freq=freq, constraints=_CONSTRAINTS.get(family), seed=seed,
                                 progress=lines(f"place and route, seed {seed}"))
        fmax += clocks(report).values()
    macs = config.macs
    return {
        "family": family, "part": " ".join(part.options), "rows": config.rows, "cols": config.cols, "macs": macs,
        "multiplier": config.multiplier, "adder_columns": config.adder_columns, **taken,
        "lut_per_mac": round(taken["lut"] / macs, 1), "ff_per_mac": round(taken["ff"] / macs, 1),
        "macs_per_dsp": round(macs / taken["dsp"], 2) if taken["dsp"] else None,
        "fmax_mhz": median(fmax), "fmax_mhz_by_seed": fmax, "peak_gops": round(2 * macs * median(fmax) / 1000, 1),
    }


def _cells(netlist, harness, family):
    """What the array takes: all, but for the LUT and registers of the chains."""
    modules = resources_by_module(netlist, _TOP, family).values()
    total = {resource: sum(module[resource] for module in modules) for resource in RESOURCES}
    total["lut"] -= harness.output_bits
    total["ff"] -= harness.input_bits + harness.output_bits
    return total
