"""Classifies handwritten digits on the chip's RTL and shows a few of them with their answers."""

from pathlib import Path

import numpy as np
from systolith.host.compiler.compile import compile_graph
from systolith.host.devices import open_device
from systolith.host.inputs import load_inputs
from systolith.host.report import console, print_run
from systolith.host.run import describe, run_model
from systolith.host.tflite import load
from systolith.rtl.config import load_config

SHADES = " .:-=+*#%@"
SHOWN = 6


def draw(picture):
    """An 8x8 int8 picture as lines of text, two characters a pixel."""
    levels = (picture.reshape(8, 8).astype(int) + 128) * len(SHADES) // 256
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def main():
    here = Path(__file__).parent
    graph, config = load(here / "digits.tflite"), load_config("edge")
    inputs = load_inputs(graph, here / "digits.npz")
    labels = np.load(here / "digits.npz")["labels"]
    program = compile_graph(graph, config)
    console.print(f"{len(inputs)} held-out digits on a {config.rows}x{config.cols} chip, simulated by Verilator")
    results = run_model(graph, program, open_device("rtl", config), inputs)
    answers = np.array([result.outputs[graph.outputs[0]].argmax() for result in results])
    pictures = [draw(values[graph.inputs[0]]) for values in inputs[:SHOWN]]
    for lines in zip(*pictures):
        console.print("   ".join(lines), highlight=False, markup=False)
    captions = [f"answer {a}, truth {t}" for a, t in zip(answers[:SHOWN], labels)]
    console.print("   ".join(caption.ljust(16) for caption in captions), highlight=False)
    print_run(describe(program, "rtl", results))
    right = int((answers == labels).sum())
    console.print(f"{right} of {len(labels)} right: {100 * right / len(labels):.1f}%", style="bold", highlight=False)


if __name__ == "__main__":
    main()
