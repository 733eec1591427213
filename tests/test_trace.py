import json

import numpy as np
import pytest
from PIL import Image
from systolith.host.compiler.compile import compile_graph
from systolith.host.tflite import load
from systolith.host.trace import occupancy, slices, write_plot, write_trace
from systolith.rtl.config import PRESETS


@pytest.fixture(scope="module")
def program(digits):
    return compile_graph(load(digits / "digits.tflite"), PRESETS["nano"])


def test_units_run_one_instruction_after_the_other_until_the_end(program):
    found, totals = slices(program)
    assert {s.operator for s in found} == {0, 1, 2, 3, 5}
    assert max(s.end for s in found) < totals["cycles"]
    for s in found:
        assert 0 <= s.start <= s.end
    starts = {}
    for s in found:
        assert s.start >= starts.get(s.unit, 0)
        starts[s.unit] = s.start


def test_the_buffer_is_never_fuller_than_it_is_large_and_empty_at_the_end(program):
    changes = occupancy(program, slices(program)[0])
    sizes = [size for _, size in changes]
    assert 0 < max(sizes) <= PRESETS["nano"].unified_buffer_bytes and sizes[-1] == 0


def test_the_trace_has_a_track_a_unit_and_a_slice_an_instruction(program, tmp_path):
    write_trace(program, tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    names = {e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names == {"weight", "matrix", "activation", "vector"}
    assert sum(e["ph"] == "X" for e in events) == len(slices(program)[0])
    assert {e["name"] for e in events if e["ph"] == "C"} == {"matrix unit busy, %", "unified buffer, bytes"}


def test_the_picture_is_drawn(program, tmp_path):
    write_plot(program, tmp_path / "t.png")
    pixels = np.asarray(Image.open(tmp_path / "t.png").convert("RGB"))
    assert pixels.shape[1] > 1000 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    write_plot(program, tmp_path / "t.svg")
    assert "<svg" in (tmp_path / "t.svg").read_text()
