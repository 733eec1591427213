import numpy as np
import pytest
from systolith.host.bench_v1 import BYTES_PER_CYCLE
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.prediction import predict, total
from systolith.host.run import breakdown, run_model
from systolith.host.workloads import WORKLOADS, build
from systolith.rtl.config import PRESETS, Config
from systolith.sim.model_device import ModelDevice

#: Weights of the paper's Table 1, millions.
WEIGHTS = {"MLP0": 20, "MLP1": 5, "LSTM0": 52, "LSTM1": 34, "CNN0": 8, "CNN1": 100}


@pytest.mark.parametrize("name", ["MLP0", "MLP1", "LSTM0", "LSTM1", "CNN0"])
def test_workloads_have_the_published_weights(name):
    size = sum(t.data.size for t in build(name).tensors if t.data is not None)
    assert abs(size / 1e6 / WEIGHTS[name] - 1) < 0.03


@pytest.mark.parametrize("name", ["MLP0", "MLP1"])
def test_active_and_shift_of_the_dense_networks_are_tpu_v1s(name):
    program = compile_graph(build(name), PRESETS["v1"])
    rows = breakdown(total(predict(program, bytes_per_cycle=BYTES_PER_CYCLE)))
    published = WORKLOADS[name].published
    for row in ("array_active", "weight_shift"):
        assert abs(rows[row] - published[row]) < 3, row
    total = sum(rows[r] for r in ("array_active", "weight_stall", "weight_shift", "non_matrix"))
    assert total == pytest.approx(100, abs=0.05)


def test_memory_bandwidth_bounds_the_dense_networks():
    program = compile_graph(build("MLP1"), PRESETS["v1"])
    cycles = [total(predict(program, bytes_per_cycle=rate * BYTES_PER_CYCLE))["cycles"] for rate in (1, 2)]
    assert 1.9 < cycles[0] / cycles[1] < 2.05


def test_a_scaled_workload_computes_what_the_operators_do():
    config = Config(name="sibling", rows=32, cols=32, requantise_lanes=16, unified_buffer_bytes=1 << 18)
    graph = build("MLP1", scale=8)
    values, = random_inputs(graph)
    result, = run_model(graph, compile_graph(graph, config), ModelDevice(config), [values])
    for operator in graph.operators:
        values[operator.outputs[0]] = evaluate(graph, operator, values)[0]
    assert np.array_equal(result.outputs[graph.outputs[0]], values[graph.outputs[0]])
