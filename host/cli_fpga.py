"""The commands for FPGAs: `boards`, `build`, `flash`, `bench fpga`."""

import contextlib
import shlex
import tempfile
from pathlib import Path

import click
from rich.markup import escape
from systolith.rtl.config import MULTIPLIERS, PRESETS, Config
from systolith.rtl.uart import DEFAULT_BAUD

from .cli_common import as_command, json_option, print_json
from .configs import load_config
from .inputs import InputError
from .models import load_model
from .report import console, status_console

__all__ = ["bench_fpga", "boards", "build", "flash"]

_folder = click.option("-o", "--output", "folder", metavar="DIR", help="Build folder; by default build/BOARD.")


@click.command()
@json_option
@as_command
def boards(as_json):
    """List the boards that `build` knows."""
    from systolith.synth.boards import BOARDS

    from .fpga_report import print_boards

    rows = [{"board": board.name, "title": board.title, "family": board.part.family, "rows": board.config.rows,
             "cols": board.config.cols, "clock_mhz": board.freq} for board in BOARDS.values()]
    if as_json:
        print_json({"boards": rows})
    else:
        print_boards(rows)


@contextlib.contextmanager
def _stages():
    """A callable (stage, line) that shows on standard error what the tools do: on a terminal their last line."""
    seen = set()
    with status_console.status("elaborate") as status:
        def show(stage, line):
            if stage not in seen and not status_console.is_terminal:
                status_console.print(stage)
            seen.add(stage)
            if line:
                status.update(f"{stage}: {escape(line[:100])}")
        yield show


@click.command()
@click.argument("board")
@click.option("--config", "config_name", metavar="NAME",
              help=f"Preset ({', '.join(PRESETS)}), board or .toml file; by default what fits the board.")
@click.option("--freq", type=click.FloatRange(min=0, min_open=True), metavar="MHZ",
              help="Core clock; by default the board's.")
@click.option("--baud", default=DEFAULT_BAUD, show_default=True, help="Of the UART.")
@click.option("--seed", type=int,
              help="Of the placement; by default the board's, and where it gets stuck or misses the clock, the next.")
@click.option("--model", "models", multiple=True, metavar="FILE",
              help="Model whose latency to report, once for each; by default those in ../shared/models.")
@click.option("--plot", "plot_path", metavar="FILE", help="Draw what each unit takes of the part (.png, .svg).")
@_folder
@json_option
@as_command
def build(board, config_name, freq, baud, seed, models, plot_path, folder, as_json):
    """Make the bitstream of BOARD; print what it takes, how fast it is, and what models take on it."""
    from systolith.synth.boards import load_board
    from systolith.synth.build import build, build_folder

    from .fpga_report import latencies, print_build, write_plot

    board = load_board(board)
    config = load_config(config_name) if config_name else board.config
    for path in models:
        load_model(path)  # what is wrong with it is not to be told after half an hour
    if plot_path and not Path(plot_path).absolute().parent.is_dir():
        raise InputError(f"the folder of output file {plot_path} does not exist")
    with _stages() as show:
        report = build(board, folder or build_folder(board), config=config, freq=freq, baud=baud, seed=seed,
                       progress=show)
        show("latencies", "")
        models = models or sorted(Path("../shared/models").glob("*.tflite"))
        report["latency_ms"], report["not_fitting"] = latencies(models, config, report["fmax_mhz"])
    if plot_path:
        write_plot(report, plot_path)
    if as_json:
        print_json(report)
    else:
        print_build(report)


@click.command()
@click.argument("board")
@click.option("--permanent", is_flag=True, help="Write the board's flash memory, so that it starts with the chip.")
@click.option("--dry-run", is_flag=True, help="Print the command instead of running it.")
@_folder
@json_option
@as_command
def flash(board, permanent, dry_run, folder, as_json):
    """Load the bitstream of BOARD, which `build` has made, onto the board."""
    from systolith.synth.boards import load_board
    from systolith.synth.build import build_folder
    from systolith.synth.flash import flash, flash_command
    from systolith.synth.stages import FAMILIES

    board = load_board(board)
    folder = Path(folder or build_folder(board))
    if dry_run:
        command = flash_command(board, folder / FAMILIES[board.part.family].bitstream, permanent)
        if as_json:
            print_json({"board": board.name, "command": [str(word) for word in command]})
        else:
            click.echo(shlex.join(command))
        return
    with status_console.status(f"loading {board.name}"):
        bitstream = flash(board, folder, permanent)
    if as_json:
        print_json({"board": board.name, "bitstream": str(bitstream)})
    else:
        console.print(f"{board.name} runs {bitstream}", highlight=False)


@click.command("fpga")
@click.option("--array", is_flag=True, help="The systolic array alone, between shift registers.")
@click.option("--rows", default=16, show_default=True)
@click.option("--cols", default=16, show_default=True)
@click.option("--family", default="ecp5", show_default=True, type=click.Choice(["ecp5", "ice40", "gowin"]))
@click.option("--multiplier", default="winograd", show_default=True, type=click.Choice(MULTIPLIERS))
@click.option("--adder-columns", default=0, show_default=True, help="Columns that multiply in adders, not DSPs.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Placements; median of Fmax.")
@json_option
@as_command
def bench_fpga(array, rows, cols, family, multiplier, adder_columns, seeds, as_json):
    """Place and route the array alone: Fmax, and what it takes of the part for each multiply-accumulate."""
    from systolith.synth.array_bench import measure_array

    if not array:
        raise InputError("bench fpga measures the array, with --array; `systolith build BOARD` measures a whole chip")
    config = Config(rows=rows, cols=cols, requantise_lanes=1, multiplier=multiplier, adder_columns=adder_columns)
    with tempfile.TemporaryDirectory() as folder, _stages() as show:
        report = measure_array(config, family, seeds, folder, show)
    if as_json:
        print_json(report)
        return
    console.print(f"{rows}x{cols} {multiplier} on {report['part']}: {report['fmax_mhz']:.1f} MHz (median of {seeds}), "
                  f"{report['peak_gops']} GOPS; {report['lut']} LUT ({report['lut_per_mac']} a MAC), {report['ff']} FF "
                  f"({report['ff_per_mac']}), {report['dsp']} DSP", highlight=False)
