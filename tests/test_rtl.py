"""Models on the chip's RTL, simulated by Verilator: every operator's output equals the reference interpreter's."""

import pytest
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.devices import open_device
from systolith.host.inputs import load_inputs, random_inputs
from systolith.host.run import run_model
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS
from test_stream import TINY, network


def check_model(path, config, inputs):
    graph = load(path)
    check = ExactCheck(graph, path.read_bytes())
    results = run_model(graph, compile_graph(graph, config), open_device("rtl", config), inputs(graph), check)
    assert check.mismatches == []
    # Timing does not depend on data.
    assert len({result.counters["cycles"] for result in results}) == 1
    return results[0].counters["cycles"]


@pytest.mark.parametrize("config", ["nano", "pico"])
def test_the_digits_are_read_right(digits, config):
    check_model(digits / "digits.tflite", PRESETS[config],
                lambda graph: load_inputs(graph, digits / "digits.npz")[:3])


def test_the_one_operator_models_are_exact(shared):
    for path in sorted((shared / "ops").glob("*.tflite")):
        # TensorFlow Lite Micro has no int8 EXP; models that the host executes whole run no chip.
        if path.stem != "exp" and any(compile_graph(load(path), PRESETS["nano"]).instructions):
            check_model(path, PRESETS["nano"], lambda graph: random_inputs(graph, 1, seed=9))


@pytest.mark.slow
def test_a_network_larger_than_the_chip_is_exact_in_the_cycles_that_are_predicted(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(network(0))
    cycles = check_model(path, TINY, random_inputs)
    graph = load(path)
    predicted, = run_model(graph, compile_graph(graph, TINY), open_device("cycles", TINY), random_inputs(graph))
    assert predicted.counters["cycles"] == cycles


@pytest.mark.slow
@pytest.mark.parametrize("model, most", [("pretrainedResnet_quant", 58_000), ("kws_ref_model", 22_000),
                                         ("vww_96_int8", 60_000), ("ad01_int8", 20_000)])
def test_the_four_models_are_exact_and_fast(shared, model, most):
    path = shared / "models" / f"{model}.tflite"
    cycles = check_model(path, PRESETS["edge"], lambda graph: load_inputs(graph, path.with_suffix(".inputs.npz")))
    assert cycles < most
