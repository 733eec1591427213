"""Reports about boards for people, and what a board means for models."""

from itertools import cycle
from pathlib import Path

from rich.table import Table
from systolith.rtl.errors import UserError
from systolith.rtl.isa import INSTRUCTION_BYTES

from .compiler.compile import compile_graph
from .models import load_model
from .report import console
from .trace import slices

__all__ = ["latencies", "print_boards", "print_build", "write_plot"]

# Operators that some chip could do; on the host they take the time.
_WITH_MACS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")

_RESOURCES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM", "spram": "SPRAM"}


def latencies(paths, config, fmax_mhz):
    """What an inference takes on the chip.

    Parameters
    ----------
    paths : list of paths of models
    config : Config
    fmax_mhz : float

    Returns
    -------
    (dict, dict)
        Milliseconds on the chip by model; and for each model that its memories cannot hold whole, a sentence that says
        by how much. What the host must then send between the runs is not in the milliseconds.
    """
    fast, not_fitting = {}, {}
    for path in map(Path, paths):
        try:
            program = compile_graph(load_model(path), config)
        except UserError as error:
            not_fitting[path.stem] = str(error)
            continue
        _, counters = slices(program)
        fast[path.stem] = round(counters["cycles"] / fmax_mhz / 1000, 4)
        if lacks := _lacks(program):
            sent = sum(program.traffic().values())
            not_fitting[path.stem] = (f"{path.stem} does not fit whole: {', '.join(lacks)}; the host sends and fetches "
                                      f"{sent:,} bytes an inference, whose time is not counted")
    return fast, not_fitting


def _lacks(program):
    """Of what the chip has too little for a model, and how much the model has of it."""
    config, lacks = program.config, []
    if len(program.weights) > 1:
        rows = sum(len(image) for image in program.weights)
        lacks.append(f"{rows:,} rows of weights for a memory of {config.weight_memory_rows:,}")
    if len(program.instructions) > 1:
        count = sum(len(image) for image in program.instructions) // INSTRUCTION_BYTES
        lacks.append(f"{count:,} instructions for a memory of {config.instruction_depth:,}")
    if parts := sum(layer.parts > 0 for layer in program.layers):
        lacks.append(f"{parts} layers whose tensors are larger than the unified buffer of "
                     f"{config.unified_buffer_bytes:,} bytes")
    if hosted := [layer for layer in program.layers if layer.unit == "host" and layer.op in _WITH_MACS]:
        lacks.append(f"{len(hosted)} layers left to the host, the first one because {hosted[0].reason}")
    return lacks


def print_boards(boards):
    """The report of `boards`."""
    table = Table(header_style="bold")
    for name, justify in (("board", "left"), ("what it is", "left"), ("array", "right"), ("clock", "right")):
        table.add_column(name, justify=justify)
    for board in boards:
        table.add_row(board["board"], board["title"], f"{board['rows']}x{board['cols']}", f"{board['clock_mhz']:g} MHz")
    console.print(table)


def print_build(report):
    """The report of `build`."""
    table = Table(title=f"{report['config']} on {report['board']}", title_justify="left", title_style="bold",
                  header_style="bold")
    kinds = [kind for kind in _RESOURCES if kind in report]
    table.add_column("module")
    for kind in kinds:
        table.add_column(_RESOURCES[kind], justify="right")
    for module, taken in _units(report["modules"]).items():
        table.add_row(module, *(f"{taken[kind]:,}" if taken.get(kind) else "" for kind in kinds))
    for row, key in (("all, after packing", "used"), ("available", "available")):
        table.add_row(row, *(f"{report[kind][key]:,}" for kind in kinds), style="bold")
    table.add_row("", *(f"{100 * report[kind]['used'] / report[kind]['available']:.0f}%" for kind in kinds))
    console.print(table)
    for clock, mhz in report["clocks"].items():
        console.print(f"clock {clock}: {mhz:.1f} MHz after routing", highlight=False)
    if report["timing_met"]:
        console.print(f"the core runs at {report['clock_mhz']:g} MHz", style="green", highlight=False)
    else:
        console.print(f"the core is clocked at {report['clock_mhz']:g} MHz, which is too fast: build it with --freq "
                      f"{int(report['fmax_mhz'])}", style="red", highlight=False)
    path = " > ".join(f"{hop['module'] or 'top'} ({hop['logic_ns']:.1f} + {hop['routing_ns']:.1f})"
                      for hop in report["critical_path"])
    console.print(f"critical path (ns logic + routing): {path}", highlight=False)
    console.print(f"{report['macs']} MACs: {report['peak_gops']:.1f} GOPS at {report['fmax_mhz']:.1f} MHz",
                  highlight=False)
    for model, milliseconds in report["latency_ms"].items():
        console.print(f"{model}: {milliseconds:.3f} ms an inference", highlight=False)
    for sentence in report["not_fitting"].values():
        console.print(sentence, style="yellow", highlight=False)
    if not report["latency_ms"] and not report["not_fitting"]:
        console.print("no latencies: there are no models in ../shared/models", highlight=False)
    console.print(f"bitstream: {report['bitstream']}", highlight=False)


def _units(modules, depth=2):
    """What the modules down to a depth take, with all that is in them: `chip`'s units on their own, the rest whole."""
    units = {}
    for name, taken in modules.items():
        unit = ".".join(name.split(".")[:depth]) or "top"
        total = units.setdefault(unit, dict.fromkeys(taken, 0))
        for kind, count in taken.items():
            total[kind] += count
    return {unit: total for unit, total in units.items() if any(total.values())}


def write_plot(report, path):
    """Draws what each unit takes of the part: a bar a resource.

    Parameters
    ----------
    report : dict
        Of `build`.
    path : str
        A picture, .png or .svg.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    kinds = [kind for kind in ("lut", "ff", "dsp", "bram") if report[kind]["available"]]
    figure = Figure(figsize=(9, 0.7 * len(kinds) + 2), layout="constrained")
    axis = figure.subplots()
    left = dict.fromkeys(kinds, 0)
    colours = cycle(colormaps["tab20"].colors)
    for (unit, taken), colour in zip(_units(report["modules"]).items(), colours):
        shares = [100 * taken[kind] / report[kind]["available"] for kind in kinds]
        axis.barh([_RESOURCES[kind] for kind in kinds], shares, left=list(left.values()), label=unit,
                  color=colour)
        left = {kind: left[kind] + share for kind, share in zip(kinds, shares)}
    axis.invert_yaxis()
    axis.axvline(100, color="black", linewidth=0.8)
    axis.set(xlabel="percent of the part", title=f"{report['config']} on {report['board']}")
    axis.legend(fontsize="small", ncols=2)
    figure.savefig(path)
