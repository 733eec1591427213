"""The program in `docs/tutorial-onnx.md` does what the page says."""

import re
from pathlib import Path

import numpy as np
import pytest
from systolith.host.compiler.compile import compile_graph
from systolith.host.models import load_model
from systolith.host.oracle_onnx import reference_outputs
from systolith.host.run import run_model
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tutorial-onnx.md"


@pytest.mark.filterwarnings("ignore")
def test_the_page_is_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile("".join(blocks), str(PAGE), "exec"), {"__name__": "tutorial"})
    graph, config = load_model("digits.onnx"), PRESETS["nano"]
    layers = re.findall(r"^    \S.*?  +([A-Z_0-9]+) +(?:host|matrix|vector)", PAGE.read_text(), re.MULTILINE)
    assert [operator.kind for operator in graph.operators] == layers
    with np.load("digits.npz") as held_out:
        images, labels = held_out["image"][:100], held_out["labels"][:100]
    inputs = [{graph.inputs[0]: image} for image in images]
    results = run_model(graph, compile_graph(graph, config), ModelDevice(config), inputs)
    scores = np.array([result.outputs[graph.outputs[0]][0] for result in results])
    assert np.mean(scores.argmax(axis=1) == labels) > 0.95
    scale = graph.tensors[graph.operators[-1].inputs[0]].scale[0]
    expected = np.array([reference_outputs("digits.onnx", [image])["scores"][0] for image in images])
    assert np.rint(np.abs(scores - expected).max() / scale) <= 1
