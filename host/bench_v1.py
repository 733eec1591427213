"""TPU v1's published measurements beside those of the cycle model on networks of the same size."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import geometric_mean

from systolith.rtl.config import load_config

from .compiler.compile import compile_graph
from .prediction import predict, total
from .run import breakdown
from .workloads import WORKLOADS, build

__all__ = ["SCALES", "WEIGHT_RATE", "figure_11", "notes", "plot_sensitivity", "program_for", "sensitivity", "table_3",
           "totals"]

#: TPU v1: 34 GB/s of weight memory and 14 GB/s of PCIe at 700 MHz.
CLOCK = 700_000_000
WEIGHT_RATE = Fraction(34_000_000_000, CLOCK)
HOST_RATE = Fraction(14_000_000_000, CLOCK)

#: Factors of the sensitivity study.
SCALES = (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4))

#: Rows of Table 3 that exclude each other while the matrix unit has work.
MATRIX_ROWS = ("array_active", "weight_stall", "weight_shift")


def program_for(name, scale=1):
    """A workload compiled for TPU v1, its array's sides scaled; the program moves its inputs and outputs itself."""
    v1 = load_config("v1")
    side = int(v1.cols * scale)
    # The weight memory keeps its bytes, and the program of a small array is longer.
    config = v1 if scale == 1 else replace(
        v1, name=f"v1-{side}", rows=side, cols=side, requantise_lanes=side // 2, instruction_depth=65536,
        weight_memory_rows=int(v1.weight_memory_rows / scale))
    return compile_graph(build(name), config, transfers=True)


def totals(program, memory=1, clock=1):
    """The counters of an inference with the bandwidth of the weight memory or the clock scaled.

    A faster clock meets the same memory and the same host: fewer bytes a cycle.
    """
    return total(predict(program, bytes_per_cycle=WEIGHT_RATE * memory / clock, host_bytes_per_cycle=HOST_RATE / clock))


def table_3(progress):
    """Our Table 3: for each workload the rows of the paper's, ours and theirs.

    Returns
    -------
    list of dict
        workload, weights (bytes), batch, cycles, ours, published: the last two in percent of cycles (`tops` in TOPS).
        matrix_time: rows 1, 4 and 5 of both, in percent of the time in which the matrix unit has work (all but row 6).
    """
    rows = []
    for number, (name, workload) in enumerate(WORKLOADS.items()):
        program = program_for(name)
        counters = totals(program)
        ours = breakdown(counters)
        ours["tops"] = round(2 * sum(layer.macs for layer in program.layers) / counters["cycles"] * CLOCK / 1e12, 2)
        size = sum(t.data.size for t in build(name).tensors if t.data is not None)
        rows.append({"workload": name, "weights": size, "batch": workload.batch, "cycles": counters["cycles"],
                     "ours": ours, "published": workload.published,
                     "matrix_time": {"ours": _matrix_time(ours), "published": _matrix_time(workload.published)}})
        progress("tpu-v1", number + 1, len(WORKLOADS))
    return rows


def _matrix_time(rows):
    return {name: round(100 * rows[name] / (100 - rows["non_matrix"]), 1) for name in MATRIX_ROWS}


def notes(rows):
    """Where our Table 3 differs from the paper's and why: sentences."""
    by_name = {row["workload"]: row for row in rows}

    def unexplained(table):
        return table["non_matrix"] - table["raw_stall"] - table["input_stall"]

    found = []
    for name in ("MLP0", "MLP1"):
        ours, theirs = by_name[name]["ours"], by_name[name]["published"]
        off = ", ".join(f"{ours[row] - theirs[row]:+.1f}" for row in MATRIX_ROWS)
        found.append(
            f"{name}: rows 1, 4 and 5 differ by {off} points. The paper has {theirs['non_matrix']:.1f}% of non-matrix "
            f"time, we have {ours['non_matrix']:.1f}%, and what is missing there shows as weight stalls. RAW and input "
            f"stalls leave {unexplained(theirs):.1f} of its points unexplained ({unexplained(ours):.1f} of ours, in "
            "which the outputs go to the host); nothing published says what they are, so that we add nothing for them.")
    found += [
        "Rows shift in as they come from the memory, some of them while the array multiplies by the tile before: in "
        "the matrix time row 5 is lower than the paper's, which fits 256 exposed cycles a tile, and row 4 as much "
        "higher.",
        "LSTM0, LSTM1: element-wise steps are left out, which the paper's RAW stalls show. Their active share of the "
        "matrix time is that of about twice the batch: 16-bit activations, at half speed, would explain it.",
        "CNN0, CNN1: channel counts were not published. Ours are equal in all layers, so that CNN0 has unused MACs "
        "where the paper has none, and CNN1 fewer than its shallow layers leave; its dependences (row 7) we do not "
        "know. Half of the accumulators hold 2,048 positions: more than that take all weights again, which is why a "
        "faster clock soon meets the memory here.",
    ]
    return found


def sensitivity(progress):
    """Speed relative to TPU v1 with its weight memory's bandwidth, its clock or the sides of its array scaled.

    Returns
    -------
    dict from "memory", "clock" and "array" to dict from workload to list of speeds, one for each of `SCALES`
    """
    speeds = {"memory": {}, "clock": {}, "array": {}}
    for number, name in enumerate(WORKLOADS):
        program = program_for(name)
        base = totals(program)["cycles"]

        def relative(cycles, clock=1, base=base):
            return round(float(clock * base / cycles), 3)

        speeds["memory"][name] = [relative(totals(program, memory=s)["cycles"]) for s in SCALES]
        speeds["clock"][name] = [relative(totals(program, clock=s)["cycles"], s) for s in SCALES]
        speeds["array"][name] = [relative(base if s == 1 else totals(program_for(name, s))["cycles"]) for s in SCALES]
        progress("sensitivity", number + 1, len(WORKLOADS))
    return speeds


def figure_11(speeds):
    """What the paper says of its Figure 11, and what ours shows (geometric means): list of dict."""
    dense, convolutional = ("MLP0", "MLP1", "LSTM0", "LSTM1"), ("CNN0", "CNN1")

    def mean(what, scale, names=tuple(WORKLOADS)):
        return round(geometric_mean(speeds[what][name][SCALES.index(scale)] for name in names), 2)

    return [{"change": change, "published": published, "ours": ours} for change, published, ours in (
        ("memory x4, all", "x3 on average", mean("memory", 4)),
        ("clock x4, MLP and LSTM", "almost nothing", mean("clock", 4, dense)),
        ("clock x4, CNN", "about x2", mean("clock", 4, convolutional)),
        ("array 512x512, all", "slightly slower", mean("array", 2)))]


def plot_sensitivity(speeds, path):
    """Draws the study (.png, .svg)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, (what, lines) in zip(figure.subplots(1, len(speeds), sharey=True), speeds.items()):
        for name, values in lines.items():
            axis.plot([float(s) for s in SCALES], values, marker="o", label=name)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        axis.set_xticks([float(s) for s in SCALES], [f"{float(s):g}x" for s in SCALES])
        axis.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25x", "0.5x", "1x", "2x", "4x"])
        axis.grid(alpha=0.3)
        axis.set_xlabel(f"{what} scaled")
    figure.axes[0].set_ylabel("speed")
    figure.axes[0].legend()
    figure.suptitle("\n".join(f"{row['change']}: paper (Figure 11) {row['published']}, here x{row['ours']}"
                              for row in figure_11(speeds)), fontsize=9)
    figure.savefig(Path(path), dpi=110)
