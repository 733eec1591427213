from fractions import Fraction

import numpy as np
import pytest
from systolith.host.bench_v1 import figure_11, notes, plot_sensitivity, program_for, totals
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.run import breakdown, run_model
from systolith.host.workloads import WORKLOADS, build
from systolith.rtl.config import Config
from systolith.sim.model_device import ModelDevice

#: Weights of the paper's Table 1, millions.
WEIGHTS = {"MLP0": 20, "MLP1": 5, "LSTM0": 52, "LSTM1": 34, "CNN0": 8, "CNN1": 100}


@pytest.mark.parametrize("name", ["MLP0", "MLP1", "LSTM0", "LSTM1", "CNN0"])
def test_workloads_have_the_published_weights(name):
    size = sum(t.data.size for t in build(name).tensors if t.data is not None)
    assert abs(size / 1e6 / WEIGHTS[name] - 1) < 0.03


@pytest.mark.parametrize("name, rows", [
    ("MLP0", ("array_active", "weight_shift", "input_stall")),
    ("MLP1", ("array_active", "weight_shift", "input_stall")),
    ("CNN0", ("array_active", "weight_stall", "weight_shift", "non_matrix", "input_stall"))])
def test_rows_that_are_tpu_v1s(name, rows):
    ours, published = breakdown(totals(program_for(name))), WORKLOADS[name].published
    for row in rows:
        assert abs(ours[row] - published[row]) < 3, row
    assert sum(ours[r] for r in ("array_active", "weight_stall", "weight_shift", "non_matrix")) == pytest.approx(100)


def test_memory_bandwidth_bounds_the_dense_networks():
    program = program_for("MLP1")
    once, twice, fast = (totals(program, **scaled)["cycles"] for scaled in ({}, {"memory": 2}, {"clock": 4}))
    assert 1.6 < once / twice < 2
    assert 3.9 < fast / once < 4.1


def test_a_larger_array_is_slower():
    # As in the paper: 1118 columns fill three times 512 worse than five times 256.
    base, large, small = (totals(program_for("MLP1", scale))["cycles"] for scale in (1, 2, Fraction(1, 2)))
    assert small < base < large


def test_notes_say_how_far_row_4_is():
    rows = {"array_active": 10.0, "weight_stall": 60.0, "weight_shift": 10.0, "non_matrix": 20.0, "raw_stall": 1.0,
            "input_stall": 2.0}
    said = notes([{"workload": name, "ours": rows, "published": WORKLOADS[name].published} for name in WORKLOADS])
    assert "-2.7, +6.1, -5.9 points" in said[0] and "17.0 of ours" in said[0]


def test_the_study_is_drawn(tmp_path):
    speeds = {what: {name: [0.5, 0.7, 1.0, 2.0, 2.5] for name in WORKLOADS} for what in ("memory", "clock", "array")}
    plot_sensitivity(speeds, tmp_path / "s.svg")
    text = (tmp_path / "s.svg").read_text()
    assert "<svg" in text
    assert [row["ours"] for row in figure_11(speeds)] == [2.5, 2.5, 2.5, 2.0]


def test_a_scaled_workload_computes_what_the_operators_do():
    config = Config(name="sibling", rows=32, cols=32, requantise_lanes=16, unified_buffer_bytes=1 << 18)
    graph = build("MLP1", scale=8)
    values, = random_inputs(graph)
    result, = run_model(graph, compile_graph(graph, config), ModelDevice(config), [values])
    for operator in graph.operators:
        values[operator.outputs[0]] = evaluate(graph, operator, values)[0]
    assert np.array_equal(result.outputs[graph.outputs[0]], values[graph.outputs[0]])
