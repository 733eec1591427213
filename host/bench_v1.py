"""TPU v1's published measurements beside those of the cycle model on networks of the same size."""

from dataclasses import replace
from fractions import Fraction

from systolith.rtl.config import load_config

from .compiler.compile import compile_graph
from .prediction import predict, total
from .run import breakdown
from .workloads import HOST_BYTES, WORKLOADS, build, wide_input

__all__ = ["WEIGHT_RATE", "notes", "program_for", "table_3", "totals"]

#: TPU v1: 34 GB/s of weight memory at 700 MHz.
CLOCK = 700_000_000
WEIGHT_RATE = Fraction(34_000_000_000, CLOCK)
HOST_RATE = Fraction(HOST_BYTES, CLOCK)

_MLPS = "MLP0", "MLP1"

#: Rows of Table 3 that exclude each other while the matrix unit has work.
MATRIX_ROWS = ("array_active", "weight_stall", "weight_shift")


def program_for(name, scale=1, accumulators=1, widths=None):
    """A workload, with other `widths` if so, compiled for TPU v1, the sides of its array and the number of its
    accumulators scaled; the program moves its inputs and outputs itself."""
    v1 = load_config("v1")
    side = int(v1.cols * scale)
    # The weight memory keeps its bytes, and the program of a small array is longer.
    config = v1 if scale == 1 else replace(
        v1, name=f"v1-{side}", rows=side, cols=side, requantise_lanes=side // 2, instruction_depth=65536,
        weight_memory_rows=int(v1.weight_memory_rows / scale))
    config = replace(config, accumulator_depth=int(v1.accumulator_depth * accumulators))
    return compile_graph(build(name, widths=widths), config, transfers=True)


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
        host_time: the link's, in percent of cycles, ours and the paper's Table 5. unified_buffer: what tensors take of
        it at most, in MiB, ours and the paper's Table 8. wide_input: of the MLPs the `widths` of
        `workloads.wide_input`, and cycles, ours, host_time and unified_buffer with them; else None.
    """
    rows = []
    for number, (name, workload) in enumerate(WORKLOADS.items()):
        size = sum(t.data.size for t in build(name).tensors if t.data is not None)
        run = _run(name)
        ours, published = run["ours"], workload.published
        rows.append({"workload": name, "weights": size, "batch": workload.batch, "cycles": run["cycles"],
                     "ours": ours, "published": published,
                     "matrix_time": {"ours": _matrix_time(ours), "published": _matrix_time(published)},
                     "host_time": {"ours": run["host_time"], "published": workload.host_time},
                     "unified_buffer": {"ours": run["unified_buffer"], "published": workload.unified_buffer},
                     "wide_input": _run(name, wide_input(name)) if name in _MLPS else None})
        progress("tpu-v1", number + 1, len(WORKLOADS))
    return rows


def _run(name, widths=None):
    """What `table_3` tells of an inference."""
    program = program_for(name, widths=widths)
    counters = totals(program)
    ours = breakdown(counters)
    ours["tops"] = round(2 * sum(layer.macs for layer in program.layers) / counters["cycles"] * CLOCK / 1e12, 2)
    traffic = program.traffic()
    host_time = 100 * (traffic["inputs"] + traffic["outputs"]) / HOST_RATE / counters["cycles"]
    buffer = max(layout.base + layout.size for step in program.steps for layout in step.layouts.values())
    return {"widths": widths, "cycles": counters["cycles"], "ours": ours, "host_time": round(float(host_time), 1),
            "unified_buffer": round(buffer / 2**20, 1)}


def _matrix_time(rows):
    return {name: round(100 * rows[name] / (100 - rows["non_matrix"]), 1) for name in MATRIX_ROWS}


def notes(rows):
    """Where our Table 3 differs from the paper's and why: sentences."""
    by_name = {row["workload"]: row for row in rows}

    def unexplained(table):
        return table["non_matrix"] - table["raw_stall"] - table["input_stall"]

    found, shapes = [], []
    for name in _MLPS:
        ours, theirs, wide = (by_name[name][key] for key in ("ours", "published", "wide_input"))
        off = ", ".join(f"{ours[row] - theirs[row]:+.1f}" for row in MATRIX_ROWS)
        found.append(
            f"{name}: rows 1, 4 and 5 differ by {off} points. The paper has {theirs['non_matrix']:.1f}% of non-matrix "
            f"time, we have {ours['non_matrix']:.1f}%, and what is missing there shows as weight stalls. RAW and input "
            f"stalls leave {unexplained(theirs):.1f} of its points unexplained ({unexplained(ours):.1f} of ours, in "
            'which the outputs go to the host). Its counters "cannot exactly explain" them, and its authors\' own '
            f"performance model differs from the counters by {WORKLOADS[name].model_error:.1f}% of the cycles "
            "(Table 7): we add nothing for them.")
        off = ", ".join(f"{wide['ours'][row] - theirs[row]:+.1f}" for row in MATRIX_ROWS)
        shapes.append(f"{name} (an input of {wide['widths'][0]:,}, layers of {wide['widths'][1]:,}) differs by {off} "
                      f"points, at {wide['ours']['tops']:.1f} TOPS for {theirs['tops']:.1f}")
    found += [
        "Row 4 depends on shapes, which were not published. The paper's MLPs talk with the host for 21% and 76% of the "
        "time (Table 5) and take 11.0 and 2.3 MiB of the unified buffer (Table 8), far more than ours. With an input "
        "that fills the link for that time, all sent before the first tile, and square layers behind it "
        f"{'; '.join(shapes)}.",
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
