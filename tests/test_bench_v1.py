from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from systolith.host.bench_v1 import notes, program_for, totals
from systolith.host.compiler.compile import compile_graph
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.run import breakdown, run_model
from systolith.host.sensitivity_v1 import figure_11, plot_sensitivity
from systolith.host.workloads import WORKLOADS, build, wide_input
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


def rows_of(name, widths=None):
    return breakdown(totals(program_for(name, widths=widths)))


def test_wide_inputs_are_of_the_published_size():
    """A batch fills the link for Table 5's share of the time that Table 3's TOPS leave."""
    for name, microseconds in (("MLP0", 137), ("MLP1", 132)):
        widths, workload = wide_input(name), WORKLOADS[name]
        assert abs(widths[0] * workload.batch / 14_000 - microseconds) < 1
        weights = sum(before * after for before, after in pairwise(widths))
        assert len(widths) == workload.dense[0] + 1 and abs(weights / 1e6 / WEIGHTS[name] - 1) < 0.01


def test_rows_of_an_mlp_that_waits_for_its_input():
    published = WORKLOADS["MLP0"].published
    ours = rows_of("MLP0", wide_input("MLP0"))
    assert all(abs(ours[row] - published[row]) < 3
               for row in ("array_active", "weight_stall", "weight_shift", "non_matrix"))
    # MLP1's lies between one that waits and one that has next to none.
    stall = WORKLOADS["MLP1"].published["weight_stall"]
    assert rows_of("MLP1", wide_input("MLP1"))["weight_stall"] < stall < rows_of("MLP1")["weight_stall"]


def test_more_accumulators_let_a_faster_clock_help_convolutions():
    base, fast, more = (totals(program_for("CNN0", accumulators=a), clock=c)["cycles"] for a, c in (
        (1, 1), (1, 4), (4, 4)))
    assert 4 * base / fast < 1.3 and 1.9 < 4 * base / more < 2.1


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
    wide = {"widths": [9000, 1000], "ours": {**rows, "weight_stall": 55.0, "tops": 9.0}}
    said = notes([{"workload": name, "ours": rows, "published": WORKLOADS[name].published, "wide_input": wide}
                  for name in WORKLOADS])
    assert "-2.7, +6.1, -5.9 points" in said[0] and "17.0 of ours" in said[0] and "by 6.8% of the cycles" in said[0]
    assert ("MLP0 (an input of 9,000, layers of 1,000) differs by -2.7, +1.1, -5.9 points, at 9.0 TOPS for 12.3"
            in said[2])


def test_the_study_is_drawn(tmp_path):
    speeds = {what: {name: [0.5, 0.7, 1.0, 2.0, 2.5] for name in WORKLOADS}
              for what in ("memory", "clock", "clock+", "array", "array+")}
    speeds["memory"]["MLP0"] = [0.5, 0.7, 1.0, 2.0, 4.0]
    plot_sensitivity(speeds, tmp_path / "s.svg")
    text = (tmp_path / "s.svg").read_text()
    assert "<svg" in text
    # Our mean counts an MLP by 30.5% of 95.
    assert [row["ours"] for row in figure_11(speeds)] == [2.98, 3.01, 2.5, 2.5, 2.5, 2.5, 2.5, 2.0, 2.0]


def test_a_scaled_workload_computes_what_the_operators_do():
    config = Config(name="sibling", rows=32, cols=32, requantise_lanes=16, unified_buffer_bytes=1 << 18)
    graph = build("MLP1", scale=8)
    values, = random_inputs(graph)
    result, = run_model(graph, compile_graph(graph, config), ModelDevice(config), [values])
    for operator in graph.operators:
        values[operator.outputs[0]] = evaluate(graph, operator, values)[0]
    assert np.array_equal(result.outputs[graph.outputs[0]], values[graph.outputs[0]])
