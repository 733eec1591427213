"""Where the cycles of an inference went: a trace for Perfetto or Chrome, and a picture.

Both show what the cycle model predicts, which the RTL's counters equal.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from systolith.rtl.isa import Unit

from .prediction import predict, total

__all__ = ["Slice", "occupancy", "slices", "write_plot", "write_trace"]

#: Cycles over which the trace averages the use of the array.
_WINDOW = 256


@dataclass(frozen=True)
class Slice:
    """One work instruction in time.

    Members
    -------
    unit : Unit
    start, end : int, cycles since the inference began
    operator : int, number of the operator that it belongs to, -1 if to none
    pc : int, its address
    step : int, number of the program's step in which it is executed
    """
    unit: Unit
    start: int
    end: int
    operator: int
    pc: int
    step: int


def slices(program):
    """The work instructions of one inference and its length.

    Returns
    -------
    (list of Slice, dict of int)
        With the counters of all runs together.
    """
    runs, found, offset = predict(program), [], 0
    for number, timing in runs:
        owners = program.owners[program.steps[number].code]
        found += [Slice(r.unit, offset + r.start, offset + r.end, int(owners[r.pc]), r.pc, number)
                  for r in timing.timeline()]
        offset += timing.counters["cycles"]
    return found, total(runs)


def occupancy(program, found):
    """Bytes of the unified buffer that hold a tensor which is still needed: (cycle, bytes) wherever they change."""
    starts, layers = {}, {}
    for s in found:
        starts.setdefault(s.step, s.start)
        if s.operator >= 0:
            layers.setdefault((s.step, s.operator), []).append(s)
    made = {(number, t) for number, index in layers for t in program.graph.operators[index].outputs}
    spans = {}
    for (number, index), mine in layers.items():
        step, operator = program.steps[number], program.graph.operators[index]
        for tensor in step.layouts.keys() & {*operator.inputs, *operator.outputs}:
            # What the run does not make is there when it begins.
            first = min(s.start for s in mine) if (number, tensor) in made else starts[number]
            layout, last = step.layouts[tensor], max(s.end for s in mine)
            storage = step.part, tensor, layout.base, layout.base + layout.size
            have = spans.get(storage, (first, last))
            spans[storage] = min(have[0], first), max(have[1], last)
    changes = {}
    for storage, span in spans.items():
        for cycle in span if span[0] < span[1] else ():
            changes.setdefault(cycle, set()).add(storage)
    sizes, live = [], set()
    for cycle in sorted(changes):
        live ^= changes[cycle]
        sizes.append((cycle, _union([storage[2:] for storage in live])))
    return sizes


def _union(ranges):
    """Number of bytes in (start, stop) ranges, which may share some: a reshaped tensor, one that replaces another."""
    size = end = 0
    for start, stop in sorted(ranges):
        size, end = size + max(0, stop - max(start, end)), max(end, stop)
    return size


def _label(program, operator):
    return "none" if operator < 0 else f"{operator} {program.layers[operator].op}"


def write_trace(program, path):
    """Writes the Chrome trace event format: a track a unit, a slice an instruction, one cycle shown as 1 us."""
    found, totals = slices(program)
    events = [{"ph": "M", "pid": 1, "name": "process_name",
               "args": {"name": f"{program.model} on {program.config.name}; 1 us = 1 cycle"}}]
    events += [{"ph": "M", "pid": 1, "tid": int(unit), "name": "thread_name", "args": {"name": unit.name.lower()}}
               for unit in sorted({s.unit for s in found})]
    for s in found:
        events.append({"ph": "X", "pid": 1, "tid": int(s.unit), "ts": s.start, "dur": max(1, s.end - s.start),
                       "name": _label(program, s.operator), "cat": s.unit.name.lower(),
                       "args": {"address": s.pc, "layer": "" if s.operator < 0 else program.layers[s.operator].name}})
    for cycle, share in _array_use(found, totals["cycles"]):
        events.append({"ph": "C", "pid": 1, "ts": cycle, "name": "matrix unit busy, %", "args": {"busy": share}})
    for cycle, size in occupancy(program, found):
        events.append({"ph": "C", "pid": 1, "ts": cycle, "name": "unified buffer, bytes", "args": {"bytes": size}})
    _replace(path, lambda file: file.write(json.dumps({"traceEvents": events}).encode()))


def _array_use(found, cycles):
    """Share of each window in which an instruction of the matrix unit runs, in percent."""
    busy = np.zeros(cycles + 1)
    for s in found:
        if s.unit is Unit.MATRIX:
            busy[s.start:s.end] = 1
    return [(start, round(100 * float(busy[start:start + _WINDOW].mean()), 1)) for start in range(0, cycles, _WINDOW)]


def write_plot(program, path):
    """Draws unit activity by layer, and where the cycles went against the array's limit (.png, .svg or .pdf)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found, totals = slices(program)
    operators = sorted({s.operator for s in found if s.operator >= 0})
    figure = Figure(figsize=(13, 6), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, height_ratios=(3, 1))
    units = [u for u in Unit if any(s.unit is u for s in found)]
    colours = {operator: f"C{number % 10}" for number, operator in enumerate(operators)}
    for row, unit in enumerate(units):
        for operator in (-1, *operators):
            bars = [(s.start, max(1, s.end - s.start)) for s in found if s.unit is unit and s.operator == operator]
            top.broken_barh(bars, (row - 0.4, 0.8), facecolors=colours.get(operator, "grey"))
    for operator in operators:
        mine = [s for s in found if s.operator == operator]
        if mine[-1].end - mine[0].start < totals["cycles"] / 60:
            continue  # no room for its name
        top.text((mine[0].start + mine[-1].end) / 2, len(units) - 0.45, _label(program, operator), rotation=60,
                 fontsize=7, ha="left", va="bottom", color=colours[operator])
    top.set_yticks(range(len(units)), [u.name.lower() for u in units])
    top.set_ylim(-0.6, len(units) + 1.2)
    top.set_xlim(0, totals["cycles"])
    top.set_title(f"{program.model} on {program.config.name}: {totals['cycles']:,} cycles")
    _draw_shares(bottom, totals)
    kind = Path(path).suffix.lstrip(".") or "png"
    _replace(path, lambda file: figure.savefig(file, format=kind, dpi=110))


def _draw_shares(axis, totals):
    parts = [("useful MACs", totals["useful_macs"]),
             ("unused MACs", totals["array_active"] - totals["useful_macs"]),
             ("weight stall", totals["weight_stall"]), ("weight shift", totals["weight_shift"]),
             ("RAW stall", totals["raw_stall"]), ("input stall", totals["input_stall"])]
    parts.append(("other", max(0, totals["cycles"] - sum(size for _, size in parts))))
    left = 0
    for name, size in parts:
        axis.barh(0, size, left=left, label=f"{name} {100 * size / totals['cycles']:.1f}%")
        left += size
    axis.set_yticks([])
    axis.set_xlim(0, left)
    axis.set_xlabel("cycles")
    axis.legend(ncols=len(parts), fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.5), frameon=False)


def _replace(path, write):
    """Writes a file whole or not at all."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
