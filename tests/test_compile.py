"""Compiled one-operator models on the golden model: every operator's output equals the reference interpreter's."""

import numpy as np
import pytest
from model_builder import Spec, model, serialise
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.run import run_model
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS, Config
from systolith.sim.model_device import ModelDevice

#: TensorFlow Lite Micro has no int8 EXP: nothing to compare with.
NO_REFERENCE = {"exp"}

CONFIGS = [PRESETS["edge"], PRESETS["nano"], PRESETS["pico"],
           Config(name="12x10", rows=12, cols=10, requantise_lanes=5, unified_buffer_bytes=32768, vector_taps=2)]


def op_models(shared):
    return sorted((shared / "ops").glob("*.tflite"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_every_one_operator_model_is_exact(shared, config):
    names = []
    for path in op_models(shared):
        if path.stem in NO_REFERENCE:
            continue
        graph = load(path)
        program = compile_graph(graph, config)
        inputs = random_inputs(graph, 3, seed=5)
        check = ExactCheck(graph, path.read_bytes())
        run_model(graph, program, ModelDevice(config), inputs, check)
        assert check.mismatches == [], path.stem
        names.append(path.stem)
    assert len(names) >= 30


def test_most_operators_run_on_the_chip(shared):
    on_chip = {path.stem for path in op_models(shared)
               if all(layer.unit != "host" for layer in compile_graph(load(path), PRESETS["edge"]).layers)}
    assert on_chip >= {"add_relu", "avgpool_valid_relu", "conv_dil2_same", "conv_s1_same_relu6", "conv_s2_same_nobias",
                       "conv_s2_valid", "dw_s2_same_relu6", "fc_nobias", "fc_relu", "maxpool_valid", "relu", "logistic",
                       "sub", "mul", "maximum", "tanh", "leaky", "hardswish"}


def test_every_function_has_its_own_table(tmp_path):
    # Neighbouring layers overlap: the second must not replace the first one's table before its last piece.
    shape = (1, 24, 24, 8)
    content = serialise(model([Spec(shape, 0.05, 3), Spec(shape, 0.05, 0), Spec(shape, 1 / 256, -128)],
                              [("LEAKY_RELU", [0], [1], ("LeakyReluOptions", {"alpha": 0.3})),
                               ("LOGISTIC", [1], [2], None)], [0], [1, 2]))  # both are outputs: neither is fused
    (tmp_path / "m.tflite").write_bytes(content)
    graph = load(tmp_path / "m.tflite")
    program = compile_graph(graph, PRESETS["nano"])
    assert [layer.unit for layer in program.layers] == ["matrix", "matrix"]
    check = ExactCheck(graph, content)
    run_model(graph, program, ModelDevice(PRESETS["nano"]), random_inputs(graph), check)
    assert check.mismatches == []


@pytest.mark.parametrize("model, config", [("pretrainedResnet_quant", "edge"), ("ad01_int8", "edge"),
                                           ("kws_ref_model", "edge"), ("vww_96_int8", "edge"), ("ad01_int8", "nano"),
                                           ("pretrainedResnet_quant", "nano"), ("vww_96_int8", "nano"),
                                           ("ad01_int8", "pico"), ("kws_ref_model", "pico")])
def test_the_four_models_are_exact_on_the_golden_model(shared, model, config):
    path = shared / "models" / f"{model}.tflite"
    graph, config = load(path), PRESETS[config]
    x = np.load(path.with_suffix(".inputs.npz"))["x"][:2]
    program = compile_graph(graph, config)
    inputs = [{graph.inputs[0]: value} for value in x]
    check = ExactCheck(graph, path.read_bytes())
    results = run_model(graph, program, ModelDevice(config), inputs, check)
    assert check.mismatches == []
    assert len(results) == 2
