"""Compares what is made of an ONNX model with ONNX Runtime, operator by operator, and with the chip at its end."""

import numpy as np
import pytest
from onnx_model_builder import QdqModel
from systolith.host import onnx_qdq
from systolith.host.compiler.compile import compile_graph
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.oracle_onnx import differences, reference_outputs
from systolith.host.run import run_model
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice

__all__ = ["compared", "evaluated", "kinds", "one_node", "refused"]


def evaluated(graph, inputs):
    """Every operator's output by the host's operators, to which the chip is equal to the bit."""
    values = dict(inputs)
    for operator in graph.operators:
        values[operator.outputs[0]], = evaluate(graph, operator, values)
    return values


def compared(proto, count=2, own=1):
    """The graph of a model, after comparing it with ONNX Runtime operator by operator and on the chip at its end.

    No operator differs by more than `own` LSB by itself.
    """
    content = proto.SerializeToString()
    graph = onnx_qdq.parse(content)
    config = PRESETS["nano"]
    inputs = random_inputs(graph, count, seed=7)
    on_chip = run_model(graph, compile_graph(graph, config), ModelDevice(config), inputs)
    for values, result in zip(inputs, on_chip):
        computed = evaluated(graph, values)
        reference = reference_outputs(content, [values[i] for i in graph.inputs])
        found = differences(graph, values, computed, reference)
        # The model's outputs, at least, have ONNX's names.
        assert len(found) >= len(graph.outputs)
        assert [d for d in found if d.own > own] == []
        for index in graph.outputs:
            np.testing.assert_array_equal(result.outputs[index], computed[index])
            # Operators pass differences on, but the models here are too short to make large ones of them.
            expected = reference[graph.tensors[index].name]
            assert result.outputs[index].shape == expected.shape
            assert len(np.unique(expected)) > 1
    return graph


def kinds(graph):
    """Of its operators, in their order."""
    return [operator.kind for operator in graph.operators]


def one_node(kind, shape, *more, model=None, source=(0.05, 3), sink=(0.05, 3), **attributes):
    """Input, one node between quantisations, output; `more` are the node's other inputs."""
    model = model or QdqModel()
    x = model.qdq(model.input(shape), *source)
    return model.proto(model.qdq(model.node(kind, [x, *more], **attributes), *sink))


def refused(proto):
    """The one sentence with which a model, or the bytes of one, is refused."""
    with pytest.raises(ModelError) as caught:
        onnx_qdq.parse(proto if isinstance(proto, bytes) else proto.SerializeToString(), "m")
    message = str(caught.value)
    assert message.startswith("model m") and "\n" not in message
    return message
