"""The `systolith` command."""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

import click
import numpy as np
from systolith.rtl import isa
from systolith.rtl.assembly import disassemble
from systolith.rtl.config import PRESETS, Config

from .cli_common import DefaultGroup, as_command, json_option, print_json, progress
from .cli_fpga import bench_fpga, boards, build, flash
from .cli_v1 import bench_v1
from .configs import known_configs, load_config
from .devices import DEVICES, is_device, open_device
from .driver import Driver
from .inputs import InputError, load_inputs, random_inputs
from .program import Program
from .report import (
    console,
    print_answers,
    print_bench,
    print_info,
    print_run,
    print_streaming,
    status_console,
)

__all__ = ["main"]


class _DeviceName(click.ParamType):
    """What `open_device` takes."""
    name = "NAME"

    def convert(self, value, param, ctx):
        if not is_device(value):
            self.fail(f"{value!r} is no device; there are {', '.join(DEVICES)}", param, ctx)
        return value


def _config_of(device, config_name):
    """The configuration of that name; without one that of the board, or edge if the device is none."""
    if config_name or device in DEVICES:
        return load_config(config_name or "edge")
    with Driver(open_device(device, None), known=known_configs()) as driver:
        driver.hello()
        return driver.config


_config = click.option("--config", "config_name", default="edge", show_default=True, metavar="NAME",
                       help=f"Preset ({', '.join(PRESETS)}), board or .toml file.")
_config_of_device = click.option("--config", "config_name", metavar="NAME",
                                 help=f"Preset ({', '.join(PRESETS)}), board or .toml file; by default edge, or "
                                      "what the board is.")
_device = click.option("--device", default="rtl", show_default=True, type=_DeviceName(),
                       help="; ".join(f"{name}: {text}" for name, (*_, text) in DEVICES.items()) + ".")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="systolith")
def main():
    """An open Tensor Processing Unit: compile int8 models, run them on the chip, build it for FPGAs."""


for _board_command in (boards, build, flash):
    main.add_command(_board_command)


def _outputs_file(path, graph, results):
    """Writes the model's outputs as .npz, whole or not at all."""
    names = ["y"] if len(graph.outputs) == 1 else [graph.tensors[t].name for t in graph.outputs]
    arrays = {name: np.stack([r.outputs[t] for r in results]) for name, t in zip(names, graph.outputs)}
    part = Path(f"{path}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@main.command()
@click.argument("model")
@click.option("--input", "input_path", metavar="FILE",
              help=".npz, .npy or picture; without it one seeded random input.")
@click.option("--output", "output_path", metavar="FILE", help="Keep the outputs: .npz, array y, one inference a row.")
@_config_of_device
@_device
@click.option("--check", is_flag=True, help="Compare every operator's output with the reference interpreter.")
@click.option("--seed", default=0, show_default=True, help="Of the random input.")
@click.option("--trace", "trace_path", metavar="FILE",
              help="Write every unit's instructions in time, for Perfetto or chrome://tracing (.json).")
@click.option("--plot", "plot_path", metavar="FILE", help="Draw the same as a picture (.png, .svg).")
@json_option
@as_command
def run(model, input_path, output_path, config_name, device, check, seed, trace_path, plot_path, as_json):
    """Compile MODEL (.tflite, .onnx or a program file) and run it; print answers, cycles and utilisation."""
    from .check import ExactCheck, OnnxCheck
    from .compiler.compile import compile_graph
    from .models import is_onnx, load_model
    from .run import describe, run_model

    config = _config_of(device, config_name)
    if _is_program(model):
        if check:
            raise InputError("--check needs the model itself, not a program file")
        program = Program.load(model)
        program.require(config)
        graph = program.graph
    else:
        graph = load_model(model)
        program = compile_graph(graph, config)
    for path in filter(None, (output_path, trace_path, plot_path)):
        if not Path(path).absolute().parent.is_dir():
            raise InputError(f"the folder of output file {path} does not exist")
    checker = None
    if check:
        checker = OnnxCheck(graph, model) if is_onnx(model) else ExactCheck(graph, Path(model).read_bytes())
    inputs = load_inputs(graph, input_path) if input_path else random_inputs(graph, seed=seed)
    if not input_path and not as_json:
        console.print(f"no --input: one random input, seed {seed}", highlight=False)
    with progress() as show:
        results = run_model(graph, program, open_device(device, config), inputs, checker, show)
    if output_path:
        _outputs_file(output_path, graph, results)
    if trace_path or plot_path:
        from .trace import write_plot, write_trace

        if trace_path:
            write_trace(program, trace_path)
        if plot_path:
            write_plot(program, plot_path)
    report = describe(program, device, results, checker)
    if as_json:
        print_json(report)
    else:
        print_answers(graph, results)
        print_run(report, checker)
    if checker and checker.failed:
        sys.exit(1)


def _is_program(path):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(10) == b"SYSTOLITH\x00"
    return False


@main.command()
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="FILE", help="Program file to write.")
@_config
@json_option
@as_command
def compile(model, output, config_name, as_json):
    """Compile MODEL (.tflite or .onnx) to a program file."""
    from .compiler.compile import compile_graph
    from .models import load_model
    from .run import streaming

    program = compile_graph(load_model(model), load_config(config_name))
    program.save(output)
    facts = {"model": program.model, "config": program.config.name, "program": str(output),
             "instructions": sum(map(len, program.instructions)) // isa.INSTRUCTION_BYTES,
             "weight_bytes": sum(image.nbytes for image in program.weights),
             "unified_buffer_bytes": max((p.base + p.size for s in program.steps for p in s.layouts.values()),
                                         default=0),
             "layers": [dataclasses.asdict(layer) for layer in program.layers], **streaming(program)}
    if as_json:
        print_json(facts)
    else:
        console.print(f"{output}: {facts['instructions']} instructions, {facts['weight_bytes']:,} bytes of weights, "
                      f"{facts['unified_buffer_bytes']:,} bytes of unified buffer", highlight=False)
        print_streaming(facts)


@main.command()
@click.argument("program")
@json_option
@as_command
def disasm(program, as_json):
    """List the instructions of a PROGRAM file."""
    lines = [(number // isa.INSTRUCTION_BYTES, disassemble(code[number:number + isa.INSTRUCTION_BYTES]))
             for code in Program.load(program).instructions for number in range(0, len(code), isa.INSTRUCTION_BYTES)]
    if as_json:
        print_json({"instructions": [line for _, line in lines]})
    else:
        for number, line in lines:
            click.echo(f"{number:5} {line}")


@main.command()
@click.option("-o", "--output", required=True, metavar="FILE", help="Verilog file to write; a .json goes beside it.")
@_config
@json_option
@as_command
def verilog(output, config_name, as_json):
    """Write the chip as Verilog, and beside it a JSON file with its configuration and ports."""
    from systolith.rtl.top import Tpu
    from systolith.rtl.verilog import convert, ports

    config = load_config(config_name)
    path = Path(output)
    if not path.absolute().parent.is_dir():
        raise InputError(f"the folder of output file {path} does not exist")
    with status_console.status(f"elaborating {config.name} ({config.rows}x{config.cols})"):
        top = Tpu(config)
        text = convert(top, "systolith")
    facts = {"verilog": str(path), "module": "systolith", "config": config.as_dict(), "digest": config.digest().hex(),
             "ports": ports(top)}
    for target, content in ((path, text), (path.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")):
        part = target.with_name(target.name + ".part")
        part.write_text(content)
        part.replace(target)
    if as_json:
        print_json(facts)
    else:
        console.print(f"{path}: {text.count(chr(10)):,} lines; {path.with_suffix('.json')}: configuration and "
                      f"{len(facts['ports'])} ports", highlight=False)


@main.command()
@_config
@json_option
@as_command
def info(config_name, as_json):
    """Show presets, sizes, peak operations a cycle, memories and the instruction table."""
    config = load_config(config_name)
    facts = {
        "config": config.as_dict(),
        "meanings": {f.name: f.metadata["doc"] for f in dataclasses.fields(Config)},
        "macs_per_cycle": config.macs, "ops_per_cycle": 2 * config.macs,
        "unified_buffer_bytes": config.unified_buffer_bytes,
        "weight_memory_bytes": config.weight_memory_rows * config.cols,
        "accumulator_bytes": config.accumulator_depth * config.cols * 4,
        "instruction_bytes": isa.INSTRUCTION_BYTES,
        "instructions": [{"name": row.name, "opcode": int(row.opcode),
                          "unit": "any" if row.unit is None else row.unit.name.lower(), "doc": row.doc,
                          "fields": [{"name": f.name, "offset": row.layout()[f.name][0], "width": f.width, "doc": f.doc}
                                     for f in (*isa.FIELDS_HEAD, *row.fields)]} for row in isa.TABLE.values()],
        "presets": [{"name": p.name, "rows": p.rows, "cols": p.cols} for p in PRESETS.values()],
    }
    if as_json:
        print_json(facts)
    else:
        print_info(facts)


@main.group(cls=DefaultGroup)
def bench():
    """Measure models (the default), the array on an FPGA, or networks of the size of TPU v1's."""


@bench.command("models")
@click.argument("models", nargs=-1)
@click.option("--config", "config_names", multiple=True, metavar="NAME",
              help="As of `run`; again for each one more to measure.")
@_device
@click.option("--build/--no-build", default=True, show_default=True,
              help="Measure how long the simulation takes to build from nothing.")
@json_option
@as_command
def bench_models(models, config_names, device, build, as_json):
    """Measure MODELS (.tflite; by default the four MLPerf Tiny models in ../shared/models)."""
    import resource

    from .bench import bench, measure_build

    if device == "model":
        raise InputError("bench needs a device with cycles: the golden model has no time; `--device cycles` has")
    configs = {name: _config_of(device, name) for name in config_names or (None,)}
    paths = models or sorted(Path("../shared/models").glob("*.tflite"))
    if not paths:
        raise InputError("bench needs the paths of .tflite models: there are none in ../shared/models")
    rows, builds = [], []
    for name, config in configs.items():
        seconds, peak = measure_build(name or config.name) if build and device == "rtl" else (None, None)
        builds.append({"config": config.name, "build_seconds": seconds, "build_peak_bytes": peak})
        with progress() as show:
            rows += bench(paths, config, device, show)
    report = {"device": device, "models": rows, "builds": builds,
              "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if as_json:
        print_json(report)
    else:
        print_bench(report)


bench.add_command(bench_fpga)
bench.add_command(bench_v1)
