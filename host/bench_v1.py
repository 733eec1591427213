"""TPU v1's published measurements beside those of the cycle model on networks of the same size."""

from fractions import Fraction
from pathlib import Path

from systolith.rtl.config import load_config

from .compiler.compile import compile_graph
from .prediction import predict, total
from .run import breakdown
from .workloads import WORKLOADS, build

__all__ = ["SCALES", "bench_v1", "plot_sensitivity", "sensitivity"]

#: TPU v1: 34 GB/s of weight memory at 700 MHz.
CLOCK = 700_000_000
BYTES_PER_CYCLE = Fraction(34_000_000_000, CLOCK)

#: Factors of the sensitivity study.
SCALES = (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4))

#: What the paper says of its Figure 11, for the study's caption.
PUBLISHED = "paper (Figure 11): memory x4 gives x3 on average; clock x4 nothing for MLP and LSTM, about x2 for CNN"


def bench_v1(progress):
    """Our Table 3: for each workload the rows of the paper's, ours and theirs.

    The host link is not in the model: inputs are resident, so there are no input stalls, and what the paper spends on
    them, on the host's instructions and on element-wise steps shows as weight stalls here.

    Returns
    -------
    list of dict
        workload, weights (bytes), batch, cycles, ours, published; the last two in percent of cycles (`tops` in TOPS).
    """
    config, rows = load_config("v1"), []
    for number, (name, workload) in enumerate(WORKLOADS.items()):
        program = compile_graph(build(name), config)
        counters = total(predict(program, bytes_per_cycle=BYTES_PER_CYCLE))
        ours = breakdown(counters)
        macs = sum(layer.macs for layer in program.layers)
        ours["tops"] = round(2 * macs / counters["cycles"] * CLOCK / 1e12, 2)
        size = sum(t.data.size for t in program.graph.tensors if t.data is not None)
        rows.append({"workload": name, "weights": size, "batch": workload.batch, "cycles": counters["cycles"],
                     "ours": ours, "published": workload.published})
        progress("tpu-v1", number + 1, len(WORKLOADS))
    return rows


def sensitivity(progress):
    """Speed relative to TPU v1 with its weight memory's bandwidth or its clock scaled.

    A faster clock meets the same memory: fewer bytes a cycle.

    Returns
    -------
    dict from "memory" and "clock" to dict from workload to list of speeds, one for each of `SCALES`
    """
    config, speeds = load_config("v1"), {"memory": {}, "clock": {}}
    for number, name in enumerate(WORKLOADS):
        program = compile_graph(build(name), config)
        cycles = {rate: total(predict(program, bytes_per_cycle=BYTES_PER_CYCLE * rate))["cycles"] for rate in SCALES}
        base = cycles[Fraction(1)]
        speeds["memory"][name] = [round(base / cycles[s], 3) for s in SCALES]
        speeds["clock"][name] = [round(float(s) * base / cycles[1 / s], 3) for s in SCALES]
        progress("sensitivity", number + 1, len(WORKLOADS))
    return speeds


def plot_sensitivity(speeds, path):
    """Draws the study (.png, .svg)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, (what, lines) in zip(figure.subplots(1, 2, sharey=True), speeds.items()):
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
    figure.suptitle(PUBLISHED, fontsize=9)
    figure.savefig(Path(path), dpi=110)
