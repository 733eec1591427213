"""Reports for people: tables in the terminal."""

import itertools
import sys

import numpy as np
from rich.console import Console
from rich.table import Table

__all__ = ["console", "print_answers", "print_bench", "print_bench_v1", "print_info", "print_run", "print_sibling",
           "print_streaming", "status_console"]

#: Wide enough for the tables where the output is no terminal.
console = Console(width=None if sys.stdout.isatty() else 120)
status_console = Console(stderr=True)


def _percent(value):
    return "" if value is None else f"{100 * value:.1f}%"


def _table(title, *columns):
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for name in columns:
        left = name in ("row", "layer", "model", "op", "unit", "parameter", "meaning", "instruction")
        # Converters make layer names of hundreds of characters: their beginning will do.
        long = {"no_wrap": True, "overflow": "ellipsis", "max_width": 44} if name == "layer" else {"overflow": "fold"}
        table.add_column(name, justify="left" if left else "right", **long)
    return table


def print_run(report, check=None):
    """The report of `run` as tables: layers, then totals, then what the check found."""
    table = _table(f"{report['model']} on {report['config']} ({report['device']})",
                   "layer", "op", "unit", "MACs", "cycles", "utilisation")
    for layer in report["layers"]:
        table.add_row(layer["name"], layer["op"], layer["unit"], f"{layer['macs']:,}" if layer["macs"] else "",
                      "" if layer["cycles"] is None else f"{layer['cycles']:,}", _percent(layer["utilisation"]))
    console.print(table)
    print_streaming(report)
    for host in report["host_operators"]:
        console.print(f"on the host: {host['op']} ({host['name']}): {host['reason']}", highlight=False)
    if report["cycles"]:
        console.print(f"{report['cycles']:,} cycles an inference, {report['ideal_cycles']:,} at the limit of the "
                      f"array: utilisation {_percent(report['utilisation'])}", highlight=False)
        _print_breakdown(report)
    else:
        console.print("no cycles: the golden model has no time", highlight=False)
    if check is not None:
        console.print(check.sentence(), style="red" if check.failed else "green", highlight=False)


def _print_breakdown(report):
    """The rows of Table 3 as columns, a line a layer."""
    shown = [(number, layer) for number, layer in enumerate(report["layers"]) if layer["cycles"]]
    table = _table("where the cycles went, in percent of each layer's", "layer", "cycles",
                   *(name.replace("_", " ") for name in report["breakdown"]))
    for name, line in (*((f"{number} {layer['op']}", layer) for number, layer in shown), ("whole inference", report)):
        table.add_row(name, f"{line['cycles']:,}", *(f"{share:.1f}" for share in line["breakdown"].values()))
    console.print(table)


def print_streaming(report):
    """What `run.streaming` gives, if the program does not fit the chip as a whole."""
    for _, group in itertools.groupby(report["streamed"], lambda operator: operator["group"]):
        first, *_, last = [*group] * 2
        console.print(f"in {first['parts']} parts, as the unified buffer does not hold their tensors: operators "
                      f"{first['operator']} ({first['op']}) to {last['operator']} ({last['op']})", highlight=False)
    moved = report["traffic"]
    if report["streamed"] or moved["instructions"] or moved["weights"]:
        console.print(f"{report['runs']} runs an inference, before and after which the host moves (not in the cycles): "
                      "weights {weights:,}, instructions {instructions:,}, inputs {inputs:,}, outputs {outputs:,} bytes"
                      .format(**moved), highlight=False)


def print_answers(graph, results, most=8):
    """The outputs of the first inferences, and the largest entry where an output is a list of scores."""
    for number, result in enumerate(results[:most]):
        for tensor, value in result.outputs.items():
            flat = np.asarray(value).reshape(-1)
            shown = " ".join(str(v) for v in flat[:12]) + (" ..." if flat.size > 12 else "")
            best = f", largest at {int(flat.argmax())}" if 1 < flat.size <= 1000 else ""
            console.print(f"input {number}: {graph.tensors[tensor].name} = {shown}{best}", highlight=False)
    if len(results) > most:
        console.print(f"... and {len(results) - most} more (--output keeps them all)", highlight=False)


def print_info(info):
    """The report of `info`."""
    table = _table(f"configuration {info['config']['name']}", "parameter", "value", "meaning")
    for name, value in info["config"].items():
        if name != "name":
            table.add_row(name, f"{value:,}" if isinstance(value, int) else value, info["meanings"][name])
    console.print(table)
    console.print(f"{info['macs_per_cycle']:,} MACs a cycle ({info['ops_per_cycle']:,} operations); unified buffer "
                  f"{info['unified_buffer_bytes']:,} bytes, weights {info['weight_memory_bytes']:,} bytes, "
                  f"accumulators {info['accumulator_bytes']:,} bytes", highlight=False)
    table = _table("instructions", "instruction", "opcode", "unit", "meaning")
    for row in info["instructions"]:
        table.add_row(row["name"], str(row["opcode"]), row["unit"], row["doc"])
    console.print(table)
    presets = ", ".join(f"{p['name']} {p['rows']}x{p['cols']}" for p in info["presets"])
    console.print(f"presets: {presets}", highlight=False)


def print_bench_v1(report):
    """The report of `bench tpu-v1`: ours / theirs in each place."""
    workloads = report["workloads"]
    names = [row["workload"] for row in workloads]
    table = _table("TPU v1, percent of cycles: cycle model / paper's Table 3", "row", *names)
    for number, key in enumerate(workloads[0]["published"], 1):
        table.add_row(f"{number} {key}", *(f"{r['ours'][key]:.1f} / {r['published'][key]:.1f}" for r in workloads))
    console.print(table)
    table = _table("the same in percent of the time in which the matrix unit has work (without row 6)", "row", *names)
    for key in workloads[0]["matrix_time"]["ours"]:
        table.add_row(key, *(f"{r['matrix_time']['ours'][key]:.1f} / {r['matrix_time']['published'][key]:.1f}"
                             for r in workloads))
    console.print(table)
    table = _table("host and unified buffer: here / paper's Tables 5 and 8", "row", *names)
    host = {"host_time": "link to the host, % of cycles", "unified_buffer": "unified buffer, MiB"}
    for key, text in host.items():
        table.add_row(text, *(f"{r[key]['ours']} / {r[key]['published']}" for r in workloads))
    console.print(table)
    wide = {row["workload"]: row for row in workloads if row["wide_input"]}
    table = _table("MLPs with inputs as wide as Table 5 lets them be: here / paper", "row", *wide)
    for number, key in enumerate(workloads[0]["published"], 1):
        table.add_row(f"{number} {key}", *(f"{r['wide_input']['ours'][key]:.1f} / {r['published'][key]:.1f}"
                                           for r in wide.values()))
    for key, text in host.items():
        table.add_row(text, *(f"{r['wide_input'][key]} / {r[key]['published']}" for r in wide.values()))
    console.print(table)
    for note in report["notes"]:
        console.print(note, highlight=False)
    table = _table("speed when scaled by 0.25, 0.5, 1, 2, 4", "row", *names)
    for what, lines in report["sensitivity"].items():
        table.add_row(what, *(" ".join(f"{v:.2f}" for v in values) for values in lines.values()))
    console.print(table)
    for row in report["figure_11"]:
        console.print(f"{row['change']}: paper (Figure 11) {row['published']}, here x{row['ours']}", highlight=False)


def print_sibling(rows):
    """The report of `bench tpu-v1 --sibling`."""
    table = _table("TPU v1's networks scaled down by 8, RTL of a 32x32 chip, percent of cycles", "row", *(
        row["workload"] for row in rows))
    for key in rows[0]["breakdown"]:
        table.add_row(key, *(f"{row['breakdown'][key]:.1f}" for row in rows))
    table.add_row("cycles", *(f"{row['counters']['cycles']:,}" for row in rows))
    table.add_row("all counters as the cycle model's", *("yes" if row["equal"] else "no" for row in rows))
    console.print(table)


def print_bench(report):
    """The report of `bench models`."""
    table = _table("", "model", "config", "cycles", "ideal", "utilisation", "Ethos-U55-256", "faster",
                   "simulated Hz", "model faster")
    for row in report["models"]:
        npu = ("", "") if row["npu_cycles"] is None else (f"{row['npu_cycles']:,}", f"{row['speedup']:.2f}")
        hz = "" if row["simulation_hz"] is None else f"{row['simulation_hz']:,}"
        model = "" if row["cycle_model_speedup"] is None else str(row["cycle_model_speedup"])
        table.add_row(row["model"], row["config"], f"{row['cycles']:,}", f"{row['ideal_cycles']:,}",
                      _percent(row["utilisation"]), *npu, hz, model)
    console.print(table)
    for build in report["builds"]:
        if build["build_seconds"] is not None:
            console.print(f"building the simulation of {build['config']} from nothing: {build['build_seconds']:.0f} "
                          f"s, at most {build['build_peak_bytes'] / 1e6:.0f} MB in a process", highlight=False)
    console.print(f"this process at most {report['peak_bytes'] / 1e6:.0f} MB", highlight=False)
