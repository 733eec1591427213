"""Nodes without an integer form: the host computes them in floats, between what the chip does, as ONNX Runtime does."""

import sys

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_compared import compared, kinds, one_node, refused
from onnx_model_builder import QdqModel
from systolith.host import onnx_qdq
from systolith.host.compiler.compile import compile_graph
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.oracle_onnx import reference_outputs
from systolith.host.program import Program
from systolith.host.run import run_model
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice


def reasons(graph):
    return [operator.options["reason"] for operator in graph.operators if operator.kind == "ONNX_FLOATS"]


def layer_normalised(model, x, axes):
    """As opsets before 17 write it."""
    centred = model.node("Sub", [x, model.node("ReduceMean", [x], axes=axes)])
    variance = model.node("ReduceMean", [model.node("Pow", [centred, model.constant(np.float32(2))])], axes=axes)
    deviation = model.node("Sqrt", [model.node("Add", [variance, model.constant(np.float32(1e-5))])])
    return model.node("Div", [centred, deviation])


def padded_by_edges(model):
    x = model.qdq(model.input((1, 2, 4, 5)))
    return model.node("Pad", [x, model.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))], mode="edge")


def unquantised(model, *kinds, **attributes):
    y = model.node("Conv", [model.qdq(model.input((1, 2, 4, 4))), model.weights((2, 2, 1, 1))])
    for kind in kinds:
        y = model.node(kind, [y], **attributes)
    return y


def of_two(model, kind):
    return model.node(kind, [model.qdq(model.input((1, 4))), model.qdq(model.input((1, 4), name="b"))])


def of_one(model, shape, kind, *more, **attributes):
    return model.node(kind, [model.qdq(model.input(shape)), *more], **attributes)


CASES = {
    "unknown": (lambda m: of_one(m, (4, 3, 3), "Det"), "Det 'det", "has no integer form"),
    "edges": (padded_by_edges, "Pad 'pad", "expected constant or reflect"),
    "quotient": (lambda m: m.node("Sigmoid", [of_two(m, "Div")]), "Div 'div", "not of the same elements"),
    "three": (lambda m: of_one(m, (1, 4), "Max", m.constant(np.float32(0)), m.constant(np.float32(0.2))),
              "has 3 inputs, expected two"),
    "float constant": (lambda m: of_one(m, (1, 2, 3, 4), "Add", m.constant(np.ones((3, 4), np.float32))),
                       "has a float constant"),
    "constant first": (lambda m: m.node("MatMul", [m.weights((3, 4)), m.qdq(m.input((4, 5)))]),
                       "has the constant", "as its input"),
    "float weights": (lambda m: of_one(m, (1, 2, 4, 4), "Conv", m.constant(np.ones((2, 2, 1, 1), np.float32))),
                      "has float weights"),
    "hidden": (lambda m: unquantised(m, "Sigmoid"), "has an input, 'conv3_7', that no QuantizeLinear quantises"),
    "hidden pool": (lambda m: unquantised(m, "MaxPool", kernel_shape=[2, 2]), "Conv 'conv",
                    "that no QuantizeLinear quantises"),
    "rounded pool": (lambda m: m.node("Round", [of_one(m, (1, 2, 6, 6), "AveragePool", kernel_shape=[2, 2])]),
                     "Round 'round", "has an input, 'averagepool2_4', that no QuantizeLinear quantises"),
    "scaled product": (lambda m: of_one(m, (1, 4), "Gemm", m.weights((4, 2)), alpha=2.0), "has alpha 2.0, expected 1"),
    "dilated pool": (lambda m: of_one(m, (1, 2, 6, 6), "MaxPool", kernel_shape=[2, 2], dilations=[2, 2]), "is dilated"),
    "softmax of columns": (lambda m: of_one(m, (3, 4), "Softmax", axis=0), "has axis 0 of 2, expected 1"),
    "volumes": (lambda m: of_one(m, (1, 2, 5, 5, 5), "Conv", m.weights((3, 2, 3, 3, 3))),
                "has an input of 5 dimensions, expected 3 or 4"),
    "float input": (lambda m: m.node("Softmax", [m.input((1, 4))]),
                    "has an input, 'x', that no QuantizeLinear quantises"),
    "images": (lambda m: layer_normalised(m, of_one(m, (1, 6, 3, 4), "Relu"), [1]), "Relu 'relu"),
    "comparison": (lambda m: m.node("Cast", [of_two(m, "Greater")], to=TensorProto.FLOAT), "Greater 'greater"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_has_no_integer_form_is_computed_in_floats(case):
    make, *parts = CASES[case]
    model = QdqModel()
    y = make(model)
    # Nothing is left of what was begun in integers.
    graph = compared(model.proto(model.qdq(y, 0.04, -5)), own=0)
    reason, = reasons(graph)
    assert all(part in reason for part in parts), reason
    assert set(kinds(graph)) <= {"QUANTIZE", "TRANSPOSE", "ONNX_FLOATS", "DEQUANTIZE", "LOOKUP"}


def test_between_layers_of_the_chip():
    """A layer in floats sees and makes images and sequences as ONNX orders them."""
    model = QdqModel()
    y = model.qdq(model.node("Conv", [model.qdq(model.input((1, 3, 6, 8))), model.weights((8, 3, 3, 3), axis=0)]), 0.5)
    y = model.qdq(layer_normalised(model, y, [1]), 0.03)
    y = model.qdq(model.node("Conv", [y, model.weights((4, 8, 1, 1))]), 0.1)
    graph = compared(model.proto(y))
    assert kinds(graph) == ["TRANSPOSE", "QUANTIZE", "CONV_2D", "ONNX_FLOATS", "CONV_2D", "TRANSPOSE", "DEQUANTIZE"]
    program = compile_graph(graph, PRESETS["edge"])
    assert [layer.unit for layer in program.layers if layer.op in ("CONV_2D", "ONNX_FLOATS")] == [
        "matrix", "host", "matrix"]


def test_of_a_sequence():
    model = QdqModel()
    y = model.qdq(model.node("Conv", [model.qdq(model.input((1, 3, 8))), model.weights((6, 3, 3))]), 0.5)
    y = model.qdq(layer_normalised(model, y, [1]), 0.03)
    y = model.qdq(model.node("Conv", [y, model.weights((4, 6, 1))]), 0.1)
    assert kinds(compared(model.proto(y))).count("ONNX_FLOATS") == 1


def test_recurrent_layers():
    model = QdqModel()
    x = model.qdq(model.input((5, 1, 3)))
    weights = [model.weights(shape, scale=0.005) for shape in ((1, 16, 3), (1, 16, 4))]
    y, last = model.nodes_outputs("LSTM", [x, *weights], 2, hidden_size=4)
    first, second = model.qdq(y, 0.01), model.qdq(model.node("Squeeze", [last, model.constant(np.array([0]))]), 0.01)
    graph = compared(model.proto(first, model.qdq(model.node("Gemm", [second, model.weights((4, 3))]), 0.02)))
    assert kinds(graph).count("ONNX_FLOATS") == 2 and "FULLY_CONNECTED" in kinds(graph)


def test_outputs_of_other_types():
    """The class with the greatest score, and the scores that nothing quantises."""
    model = QdqModel()
    y = model.node("Gemm", [model.qdq(model.input((1, 6))), model.weights((6, 5))])
    found = model.node("ArgMax", [model.qdq(y, 0.1)], axis=1)
    for output, dtype in ((found, np.int64), (y, np.float32)):
        content = model.proto(output, dtype=dtype).SerializeToString()
        graph = onnx_qdq.parse(content)
        values, = random_inputs(graph)
        result, = run_model(graph, compile_graph(graph, PRESETS["nano"]), ModelDevice(PRESETS["nano"]), [values])
        (_, array), = result.outputs.items()
        assert array.dtype == dtype
        np.testing.assert_allclose(array, reference_outputs(content, list(values.values()))[output], rtol=1e-5)
        assert kinds(graph)[-1] == "ONNX_FLOATS"


def test_a_program_file_holds_the_nodes(tmp_path):
    model = QdqModel()
    graph = onnx_qdq.parse(model.proto(model.qdq(of_one(model, (3, 4), "Softmax", axis=0))).SerializeToString())
    program = compile_graph(graph, PRESETS["nano"])
    program.save(tmp_path / "p")
    loaded, (values,) = Program.load(tmp_path / "p"), random_inputs(graph)
    outputs = [run_model(p.graph, p, ModelDevice(PRESETS["nano"]), [values])[0].outputs for p in (program, loaded)]
    np.testing.assert_array_equal(*(list(found.values()) for found in outputs))


def test_what_floats_cannot_be():
    model = QdqModel()
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "branch", [],
                               [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4])])
    x = model.input((1, 4))
    condition = model.node("Less", [model.node("ReduceSum", [x], keepdims=0), model.constant(np.float32(0))])
    chosen = model.node("If", [condition], then_branch=branch, else_branch=branch)
    assert "holds a graph, which is not supported" in refused(model.proto(model.qdq(chosen)))
    model = QdqModel()
    quantised = model.node("QuantizeLinear", [model.qdq(model.input((1, 4))), model.input((), name="scale"),
                                              model.constant(np.int8(0))])
    assert "has a scale, 'scale', that is no constant" in refused(model.proto(model.dequantise(quantised)))
    model = QdqModel()
    proto = model.proto(model.node("Cast", [model.qdq(model.input((1, 4)))], to=TensorProto.DOUBLE), dtype=np.float64)
    assert "of type float64, expected float32, int32, int64 or bool" in refused(proto)


def test_without_onnx_runtime(monkeypatch):
    graph = onnx_qdq.parse(one_node("Det", (4, 3, 3)).SerializeToString())
    program = compile_graph(graph, PRESETS["nano"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"': computing in floats needs ONNX Runtime: pip install 'systolith\[onnx\]'"):
        run_model(graph, program, ModelDevice(PRESETS["nano"]), random_inputs(graph))


def test_constants_that_only_floats_can_make():
    model = QdqModel()
    weights = model.node("Cos", [model.weights((4, 3))])
    graph = compared(model.proto(model.qdq(of_one(model, (1, 4), "MatMul", model.qdq(weights, 0.01, 0)), 0.02)))
    assert kinds(graph) == ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"]


@pytest.mark.parametrize("activation", [np.int8, np.uint8])
def test_integers_as_they_are(activation):
    """Of a node without a meaning on the reals that they stand for; images of bytes as a network's input."""
    model = QdqModel(activation=activation)
    pooled = model.node("MaxPool", [model.quantise(model.input((1, 2, 6, 7)))], kernel_shape=[2, 2], dilations=[2, 2])
    graph = compared(model.proto(model.qdq(model.dequantise(pooled), 0.04, 1)), own=0)
    assert "'maxpool" in reasons(graph)[0]
    model = QdqModel(activation=activation)
    pixels = model.node("Cast", [model.input((1, 3, 6, 7), activation)], to=TensorProto.FLOAT)
    y = model.qdq(model.node("Div", [pixels, model.constant(np.float32(128))]), 0.02, -100)
    graph = compared(model.proto(model.qdq(model.node("Conv", [y, model.weights((4, 3, 3, 3))]), 0.1)))
    assert "'cast" in reasons(graph)[0] and "CONV_2D" in kinds(graph)


def test_floats_that_several_read_are_computed_once():
    """A residual stream that nothing quantises, and layers beside it that are quantised."""
    model = QdqModel()
    stream = model.node("Cos", [model.qdq(model.input((1, 4, 6)))])
    stream = model.node("Add", [stream, model.node("Add", [stream, stream])])
    for _ in range(5):
        x = model.qdq(layer_normalised(model, stream, [2]), 0.02)
        y = model.qdq(model.node("MatMul", [x, model.weights((6, 6), scale=0.004)]), 0.02)
        stream = model.node("Add", [stream, y])
    graph = compared(model.proto(model.qdq(stream, 0.05)))
    # The stream, and of each layer the normalised one and the next.
    assert kinds(graph).count("ONNX_FLOATS") == 11
    assert all(len(operator.inputs) <= 3 for operator in graph.operators)


def test_what_a_layer_gave_up_is_gone():
    """A layer whose inputs were pooled, transposed and settled before it turned out that nothing quantises it."""
    model = QdqModel()
    x = model.qdq(model.input((1, 2, 6, 6)))
    hidden = model.node("Conv", [model.node("MaxPool", [x], kernel_shape=[2, 2]), model.weights((3, 2, 1, 1))])
    graph = compared(model.proto(model.qdq(model.node("Erf", [model.node("Det", [hidden])]), 0.01)), own=0)
    assert kinds(graph) == ["TRANSPOSE", "QUANTIZE", "ONNX_FLOATS", "DEQUANTIZE"]


def test_sizes_of_floats_are_known():
    """As PyTorch flattens: x.view(x.size(0), -1)."""
    model = QdqModel()
    y = model.node("InstanceNormalization", [model.qdq(model.input((1, 2, 3, 4))),
                                             *(model.constant(np.ones(2, np.float32)) for _ in range(2))])
    size = model.node("Gather", [model.node("Shape", [y]), model.constant(np.array([0]))], axis=0)
    target = model.node("Concat", [size, model.constant(np.array([-1]))], axis=0)
    flat = model.node("Reshape", [model.qdq(y, 0.02), target])
    graph = compared(model.proto(model.qdq(model.node("Gemm", [flat, model.weights((24, 5))]), 0.1)))
    assert [kind for kind in kinds(graph) if kind not in ("QUANTIZE", "TRANSPOSE", "DEQUANTIZE")] == [
        "ONNX_FLOATS", "FULLY_CONNECTED"]


def test_odd_names_and_shapes():
    model = QdqModel()
    x = model.input((1, 2, 3, 4))
    model.nodes.append(helper.make_node("Identity", [model.qdq(x)], [f"{x} (stored)"]))
    y = model.node("Erf", [model.node("Softmax", [f"{x} (stored)"], axis=2)])
    assert kinds(compared(model.proto(model.qdq(y, 0.01)), own=0)).count("ONNX_FLOATS") == 1
    model = QdqModel()
    least = model.node("ReduceMin", [model.qdq(model.input((3, 4)))], keepdims=0)
    y = model.node("Add", [model.node("Det", [model.qdq(model.input((8, 3, 3), name="b"))]), model.qdq(least)])
    compared(model.proto(model.qdq(y, 0.3)), own=0)


def test_constants_that_are_no_tensors():
    model = QdqModel()
    sequence = model.node("SequenceConstruct", [model.constant(np.float32([1, 2]))])
    taken = model.node("SequenceAt", [sequence, model.constant(np.array(0))])
    y = model.node("Add", [model.qdq(model.input((1, 2))), taken])
    assert "makes no tensors of its constants" in refused(model.proto(model.qdq(y)))


def test_an_output_that_is_stored_beside_one_that_is_not():
    model = QdqModel()
    first, second = model.nodes_outputs("Split", [model.node("Cos", [model.qdq(model.input((1, 8)))])], 2, axis=1)
    y = model.node("Add", [first, model.qdq(model.node("Sign", [model.node("Add", [first, second])]), 1 / 64, 0)])
    compared(model.proto(model.qdq(y, 0.02), model.qdq(second, 0.01), model.qdq(first, 0.01)))


def test_an_image_in_floats_that_is_an_output_and_read():
    model = QdqModel()
    x = model.input((1, 2, 3, 4))
    y = model.node("Cos", [model.node("Add", [model.qdq(x), model.constant(np.ones((3, 4), np.float32))])])
    seen = model.node("Transpose", [x], perm=[0, 2, 1, 3])
    assert kinds(compared(model.proto(model.qdq(y, 0.01), y, seen)))[-2:] == ["ONNX_FLOATS", "ONNX_FLOATS"]
