"""Functions between DEQUANTIZE and QUANTIZE: one table, equal to the reference interpreter's floats."""

import numpy as np
import pytest
from model_builder import Spec, model, serialise
from random_source import RandomSource
from systolith.host import tflite
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.oracle import reference_outputs
from systolith.host.run import run_model
from systolith.host.tflite.float_functions import FLOAT_FUNCTIONS
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice

LEVELS = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
FLOAT = Spec((1, 256), None, dtype=np.float32)


def between(kinds, source=(0.05, 3), target=(0.04, -5), **more):
    """Those functions of floats between two tensors of int8, as a model's object."""
    floats = range(1, len(kinds) + 2)
    return model([Spec((1, 256), *source), *[FLOAT] * len(floats), Spec((1, 256), *target)],
                 [("DEQUANTIZE", [0], [1], None), *((kind, [n], [n + 1], None) for n, kind in zip(floats, kinds)),
                  ("QUANTIZE", [floats[-1]], [len(floats) + 1], None)], [0], more.get("outputs", [len(floats) + 1]))


@pytest.mark.parametrize("kind", sorted(FLOAT_FUNCTIONS))
def test_every_int8(kind):
    random = RandomSource(7)
    for _ in range(40):
        content = serialise(between([kind], *((random.scale(-7, 2), random.zero()) for _ in range(2))))
        graph = tflite.parse(content)
        operator, = graph.operators
        expected = reference_outputs(content, [LEVELS])[operator.outputs[0]]
        assert np.array_equal(np.int8(operator.options["table"])[LEVELS.view(np.uint8)], expected)


@pytest.mark.parametrize("kinds", [[], ["NEG"], ["ABS", "NEG"], ["SQUARE", "NEG", "FLOOR"]], ids=" ".join)
def test_on_the_chip(kinds):
    content = serialise(between(kinds))
    graph = tflite.parse(content)
    program, check = compile_graph(graph, PRESETS["nano"]), ExactCheck(graph, content)
    run_model(graph, program, ModelDevice(PRESETS["nano"]), random_inputs(graph, 2), check)
    assert check.mismatches == [] and [(layer.op, layer.unit) for layer in program.layers] == [("LOOKUP", "matrix")]


def refused(content):
    with pytest.raises(ModelError) as caught:
        tflite.parse(serialise(content))
    return str(caught.value)


def test_floats_that_others_see():
    assert refused(between(["NEG"], outputs=[3, 2])) == (
        "model model: operator 0 (DEQUANTIZE) works on floats (tensor 1), expected a fully int8 model; float is "
        "allowed only from an input into QUANTIZE, from DEQUANTIZE to an output, and from DEQUANTIZE through ABS, "
        "CEIL, FLOOR, NEG, ROUND, SQUARE to QUANTIZE")
    assert "operator 0 (DEQUANTIZE) works on floats" in refused(between(["NEG", "EXP"]))


def test_of_int8():
    assert refused(model([Spec((1, 4))] * 2, [("NEG", [0], [1], None)], [0], [1])).endswith(
        "operator 0 (NEG) is supported only between DEQUANTIZE and QUANTIZE")


def changed(change):
    """Two functions, after a change to the operators of the schema's object."""
    content = between(["ABS", "NEG"])
    change(content.subgraphs[0].operators)
    return content


@pytest.mark.parametrize("change", [
    lambda operators: setattr(operators[2], "outputs", [2]),  # in a circle
    lambda operators: setattr(operators[2], "outputs", [1]),
    lambda operators: setattr(operators[3], "inputs", [3, 0]),
    lambda operators: setattr(operators[0], "inputs", [-1]),
    lambda operators: setattr(operators[1], "outputs", []),
    lambda operators: operators.reverse()], ids=["circle", "twice", "two inputs", "no input", "no output", "order"])
def test_damage(change):
    assert refused(changed(change))


def test_sizes_that_the_file_leaves_open():
    content = between(["ABS", "NEG"])
    for table in content.subgraphs[0].tensors[1:]:
        table.shape, table.shapeSignature = [1, 1], [-1, -1]
    content = serialise(content)
    graph = tflite.parse(content)
    assert [tensor.shape for tensor in graph.tensors] == [(1, 256)] * 5
    program, check = compile_graph(graph, PRESETS["nano"]), ExactCheck(graph, content)
    run_model(graph, program, ModelDevice(PRESETS["nano"]), random_inputs(graph, 1), check)
    assert check.mismatches == []
