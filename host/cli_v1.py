"""The command `bench tpu-v1`."""

import sys

import click

from .cli_common import as_command, json_option, print_json, progress
from .report import print_bench_v1, print_sibling

__all__ = ["bench_v1"]


@click.command("tpu-v1")
@click.option("--plot", "plot_path", metavar="FILE", help="Draw the sensitivity study (.png, .svg).")
@click.option("--sibling", is_flag=True,
              help="Instead run the networks, scaled down by 8, on the RTL of a 32x32 chip; compare it with the model.")
@json_option
@as_command
def bench_v1(plot_path, sibling, as_json):
    """Run six networks of the size of TPU v1's on the cycle model.

    Prints Table 3 of the paper beside ours, and how speed depends on memory, clock and array.
    """
    if sibling:
        from .sibling import sibling_bench

        with progress() as show:
            rows = sibling_bench(show)
        if as_json:
            print_json({"workloads": rows})
        else:
            print_sibling(rows)
        sys.exit(0 if all(row["equal"] for row in rows) else 1)

    from .bench_v1 import notes, table_3
    from .sensitivity_v1 import SCALES, figure_11, plot_sensitivity, sensitivity

    with progress() as show:
        workloads, speeds = table_3(show), sensitivity(show)
    report = {"workloads": workloads, "notes": notes(workloads), "scales": [float(s) for s in SCALES],
              "sensitivity": speeds, "figure_11": figure_11(speeds)}
    if plot_path:
        plot_sensitivity(speeds, plot_path)
    if as_json:
        print_json(report)
    else:
        print_bench_v1(report)
