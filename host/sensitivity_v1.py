"""How TPU v1's speed depends on its memory, clock, array and accumulators, as in the paper's Figure 11."""

from fractions import Fraction
from functools import cache
from pathlib import Path

from .bench_v1 import program_for, totals
from .workloads import WORKLOADS

__all__ = ["SCALES", "figure_11", "plot_sensitivity", "sensitivity"]

#: Factors of the study.
SCALES = (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4))

#: Percent of the deployed TPUs by the paper's Table 1, half of it to each of a kind's two networks.
_DEPLOYED = {"MLP0": 30.5, "MLP1": 30.5, "LSTM0": 14.5, "LSTM1": 14.5, "CNN0": 2.5, "CNN1": 2.5}

#: What is scaled, and by what for a factor. Of accumulators there are 16384 at most, as an address has 14 bits.
_STUDIES = {
    "memory": lambda s: {"memory": s},
    "clock": lambda s: {"clock": s},
    "clock+": lambda s: {"clock": s, "accumulators": s},
    "array": lambda s: {"scale": s},
    "array+": lambda s: {"scale": s, "accumulators": max(1, min(s * s, 4))},
}


def sensitivity(progress):
    """Speed relative to TPU v1 with something scaled.

    Returns
    -------
    dict to dict from workload to list of speeds, one for each of `SCALES`
        "memory": bandwidth of the weight memory. "clock". "clock+": and as many times the accumulators. "array": its
        sides. "array+": and the square of that times the accumulators, four times at most and once at least.
    """
    speeds = {what: {} for what in _STUDIES}
    for number, name in enumerate(WORKLOADS):
        time = _times(name)
        for what, scaled in _STUDIES.items():
            speeds[what][name] = [round(float(time() / time(**scaled(s))), 3) for s in SCALES]
        progress("sensitivity", number + 1, len(WORKLOADS))
    return speeds


def _times(name):
    """A function that gives the time of a workload, in cycles of TPU v1's clock."""
    base = program_for(name)

    @cache
    def measured(scale, accumulators, memory, clock):
        # Of a chip that is another one the program is used once, and takes hundreds of megabytes.
        program = base if scale == accumulators == 1 else program_for(name, scale, accumulators)
        return totals(program, memory, clock)["cycles"] / Fraction(clock)

    def time(scale=1, accumulators=1, memory=1, clock=1):
        return measured(scale, accumulators, memory, clock)

    return time


def figure_11(speeds):
    """What the paper says of its Figure 11, and what ours shows, means weighted by `_DEPLOYED`: list of dict."""
    dense, convolutional = ("MLP0", "MLP1", "LSTM0", "LSTM1"), ("CNN0", "CNN1")

    def mean(what, scale, names=tuple(WORKLOADS)):
        return round(sum(_DEPLOYED[name] * speeds[what][name][SCALES.index(scale)] for name in names)
                     / sum(_DEPLOYED[name] for name in names), 2)

    return [{"change": change, "published": published, "ours": ours} for change, published, ours in (
        ("memory x4, all", "x3 on average", mean("memory", 4)),
        ("memory x4, MLP and LSTM", "x3", mean("memory", 4, dense)),
        ("memory x4, CNN", "little benefit", mean("memory", 4, convolutional)),
        ("clock x4, all", "little benefit", mean("clock", 4)),
        ("clock x4, MLP and LSTM", "nothing", mean("clock", 4, dense)),
        ("clock x4, CNN", "x2", mean("clock", 4, convolutional)),
        ("clock and accumulators x4, CNN", "x2", mean("clock+", 4, convolutional)),
        ("array 512x512, all", "slightly slower", mean("array", 2)),
        ("array 512x512 and accumulators x4, all", "slightly slower", mean("array+", 2)))]


def plot_sensitivity(speeds, path):
    """Draws the study (.png, .svg)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(19, 6.5), layout="constrained")
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
