"""Models converted without their batch: the file lacks sizes, and what computes them is in it as operators."""

import numpy as np
import pytest
from model_builder import Spec, constant, model, one_operator, serialise
from random_operators import Random
from systolith.host import tflite
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.run import run_model
from systolith.host.tflite import KINDS
from systolith.host.tflite.settled_file import settled_bytes
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema


def without_sizes(content):
    """The model as a converter leaves it that does not know the batch: 1 for each size that depends on it."""
    result = schema.ModelT.InitFromPackedBuf(content, 0)
    subgraph = result.subgraphs[0]
    for index, table in enumerate(subgraph.tensors):
        if result.buffers[table.buffer].data is None and index not in subgraph.inputs and len(table.shape):
            table.shapeSignature, table.shape = [-1] * len(table.shape), [1] * len(table.shape)
    return serialise(result)


def shapes(content):
    return [tensor.shape for tensor in tflite.parse(content).tensors]


@pytest.mark.parametrize("kind", sorted(kind for kind in KINDS if hasattr(Random, kind)))
def test_every_operator_tells_its_output_sizes(kind):
    random = Random(11)
    for _ in range(20):
        inputs, output, options = getattr(random, kind)()
        content = one_operator(kind, inputs, output, options)
        assert shapes(without_sizes(content)) == shapes(content)


def test_shared_models(shared):
    for path in (*(shared / "models").glob("*.tflite"), *(shared / "ops").glob("*.tflite")):
        assert shapes(without_sizes(path.read_bytes())) == shapes(path.read_bytes()), path.name


def taken_apart():
    """A fully connected layer on each pixel, as Keras has it converted with an open batch."""
    number, numbers = Spec((), None, dtype=np.int32), Spec((2,), None, dtype=np.int32)
    tensors = [Spec((1, 3, 4, 6)), Spec((1, 1, 1, 1), 0.02), Spec((4,), None, dtype=np.int32),  # 0 to 2
               constant([0, 1, 2]), Spec((3,), None, dtype=np.int32), constant([0]), number,  # 3 to 6
               constant(6), numbers, Spec((1, 1), 0.02), constant(np.arange(30).reshape(5, 6), np.int8, scale=0.01),
               Spec((1, 5), 0.1), constant([5]), Spec((4,), None, dtype=np.int32), Spec((1, 1, 1, 5), 0.1)]  # to 14
    result = model(tensors, [
        ("LEAKY_RELU", [0], [1], ("LeakyReluOptions", {"alpha": 0.5})), ("SHAPE", [1], [2], ("ShapeOptions", {})),
        ("GATHER", [2, 3], [4], ("GatherOptions", {})), ("REDUCE_PROD", [4, 5], [6], ("ReducerOptions", {})),
        ("PACK", [6, 7], [8], ("PackOptions", {"valuesCount": 2})), ("RESHAPE", [1, 8], [9], None),
        ("FULLY_CONNECTED", [9, 10, -1], [11], ("FullyConnectedOptions", {})),
        ("CONCATENATION", [4, 12], [13], ("ConcatenationOptions", {})), ("RESHAPE", [11, 13], [14], None)], [0], [14])
    for index in (1, 9, 11, 14):
        result.subgraphs[0].tensors[index].shapeSignature = [-1] * len(tensors[index].shape)
    return result


@pytest.mark.parametrize("config", [PRESETS["nano"], PRESETS["pico"]], ids=lambda config: config.name)
def test_sizes_that_operators_compute(config):
    content = serialise(taken_apart())
    graph = tflite.parse(content)
    assert [graph.tensors[index].shape for index in (1, 9, 11, 14)] == [(1, 3, 4, 6), (12, 6), (12, 5), (1, 3, 4, 5)]
    check = ExactCheck(graph, content)  # of a model that the reference interpreter by itself does not take
    run_model(graph, compile_graph(graph, config, dump=True), ModelDevice(config), random_inputs(graph, 2), check)
    assert check.mismatches == []


def test_what_is_complete_stays():
    content = one_operator("RELU", [Spec((1, 4))], Spec((1, 4)))
    assert settled_bytes(content, tflite.parse(content)) is content


def test_sizes_that_do_not_fit():
    content = taken_apart()
    content.subgraphs[0].tensors[11].shapeSignature = None
    with pytest.raises(ModelError, match=r"operator 6 \(FULLY_CONNECTED\) has weights of shape \[5, 6\], which"):
        tflite.parse(serialise(content))


@pytest.mark.parametrize("times", [1 << 16, 0, -1])
def test_sizes_that_nothing_can_have(times):
    content = model([Spec((1, 1)), constant([times, times]), Spec((1, 1))],
                    [("BROADCAST_TO", [0, 1], [2], ("BroadcastToOptions", {}))], [0], [2])
    content.subgraphs[0].tensors[2].shapeSignature = [-1, -1]
    with pytest.raises(ModelError, match=r"operator 0 \(BROADCAST_TO\) makes an output of shape .*, expected at least"):
        tflite.parse(serialise(content))


INT8, LONG = Spec((1, 3)), constant(1, np.int64)
#: What TensorFlow Lite takes, and what it was converted with; the batch is open, but the file's sizes are right.
RIGHT = {
    "an axis of 64 bits": ("EXPAND_DIMS", [INT8, LONG], Spec((1, 1, 3)), ("ExpandDimsOptions", {})),
    "an operand of two dimensions": ("RESHAPE", [INT8, constant([[3, 1]])], Spec((3, 1)), None),
    "no operand": ("RESHAPE", [INT8], Spec((3, 1)), ("ReshapeOptions", {"newShape": []})),
    "all that is 1": ("SQUEEZE", [Spec((1, 1, 3))], Spec((1, 3)), ("SqueezeOptions", {})),
    "vectors": ("FULLY_CONNECTED", [Spec((1, 2, 3)), constant(np.ones((5, 3)), np.int8, scale=0.1), None],
                Spec((1, 2, 5)), ("FullyConnectedOptions", {})),
}


@pytest.mark.parametrize("name", RIGHT)
def test_sizes_that_are_right(name):
    kind, inputs, output, options = RIGHT[name]
    result = schema.ModelT.InitFromPackedBuf(one_operator(kind, inputs, output, options), 0)
    for table in result.subgraphs[0].tensors:
        if result.buffers[table.buffer].data is None:
            table.shapeSignature = [-1, *table.shape[1:]]
    graph = tflite.parse(serialise(result))
    assert graph.tensors[graph.outputs[0]].shape == output.shape


def test_squeezing_what_is_longer():
    content = one_operator("SQUEEZE", [Spec((2, 3))], Spec((1,)), ("SqueezeOptions", {"squeezeDims": [0]}))
    with pytest.raises(ModelError, match=r"cannot make shape \[3\] of \[2, 3\]"):
        tflite.parse(without_sizes(content))
