"""Reading ONNX models: every operator is within one LSB of ONNX Runtime, and what cannot be read is refused."""

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper
from onnx_compared import compared, evaluated, kinds, one_node, refused
from onnx_model_builder import QdqModel
from systolith.host import onnx_qdq
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.oracle_onnx import differences, reference_outputs

CONVOLUTIONS = {
    "same": ((1, 3, 8, 8), (5, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    "valid": ((1, 3, 8, 7), (5, 3, 3, 2), {}),
    "uneven": ((1, 3, 8, 7), (5, 3, 3, 3), {"pads": [2, 0, 1, 1], "strides": [1, 2]}),
    "torch_stride_2": ((1, 3, 8, 8), (5, 3, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    "dilated": ((1, 3, 9, 8), (5, 3, 3, 3), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    "same_upper": ((1, 3, 7, 8), (5, 3, 2, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same_lower": ((1, 3, 7, 8), (5, 3, 2, 3), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    "grouped": ((1, 4, 6, 6), (6, 2, 3, 3), {"group": 2}),
    "depthwise": ((1, 4, 6, 6), (4, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1]}),
    "multiplied": ((1, 4, 6, 6), (8, 1, 3, 3), {"group": 4, "strides": [2, 2]}),
}


@pytest.mark.parametrize("activation", [np.int8, np.uint8])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name, activation):
    shape, weights, attributes = CONVOLUTIONS[name]
    model = QdqModel(activation=activation)
    axis = 0 if name != "valid" else None
    graph = compared(one_node("Conv", shape, model.weights(weights, axis), model=model, sink=(0.2, -5), **attributes))
    assert kinds(graph)[2] == ("DEPTHWISE_CONV_2D" if name in ("depthwise", "multiplied") else "CONV_2D")


def test_bias_as_integers_and_as_floats():
    for dtype in (np.int32, np.float32):
        model = QdqModel()
        x = model.qdq(model.input((1, 2, 4, 4)))
        weights = model.weights((3, 2, 1, 1))
        bias = model.constant(np.array([-900, 0, 700], np.int32) if dtype == np.int32 else np.float32([-.45, 0, .35]))
        if dtype == np.int32:
            bias = model.node("DequantizeLinear", [bias, model.constant(np.float32(0.05 * 0.01))])
        graph = compared(model.proto(model.qdq(model.node("Conv", [x, weights, bias]), 0.1)))
        convolution = graph.operators[2]
        assert graph.tensors[convolution.inputs[2]].data.tolist() == [-900, 0, 700]


@pytest.mark.parametrize("kind, inputs, attributes, expected", [
    ("Relu", (), {}, "RELU"), ("Clip", (0, 6), {}, "RELU6"), ("Clip", (-1, 1), {}, "RELU_N1_TO_1"),
    ("Clip", (0,), {}, "RELU"), ("Clip", (-100, 100), {}, "NONE")])
def test_activations_are_fused(kind, inputs, attributes, expected):
    model = QdqModel()
    x = model.qdq(model.input((1, 4, 4, 4)))
    y = model.node("Conv", [x, model.weights((3, 4, 1, 1))])
    y = model.node(kind, [y, *(model.constant(np.float32(v)) for v in inputs)], **attributes)
    graph = compared(model.proto(model.qdq(y, 0.08, -10)))
    assert graph.operators[2].options["activation"] == expected


@pytest.mark.parametrize("kind, bounds, sink, expected", [
    ("Relu", (), (0.05, 3), ["LOOKUP"]), ("Relu", (), (0.02, -128), ["LOOKUP"]),
    ("Clip", (0, 6), (0.03, -100), ["LOOKUP"]), ("Clip", (-50, 50), (0.05, 3), []),
    ("Clip", (-0.7, 2.1), (0.05, 3), ["LOOKUP"])])
def test_activations_on_their_own(kind, bounds, sink, expected):
    model = QdqModel()
    graph = compared(one_node(kind, (1, 2, 3, 4), *(model.constant(np.float32(v)) for v in bounds), model=model,
                              sink=sink))
    assert kinds(graph)[2:-2] == expected


@pytest.mark.parametrize("kind, attributes, expected", [
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, "MAX_POOL_2D"),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, "MAX_POOL_2D"),
    ("MaxPool", {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}, "MAX_POOL_2D"),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}, "AVERAGE_POOL_2D"),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, "AVERAGE_POOL_2D"),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 0, 1, 1], "count_include_pad": 1}, "DEPTHWISE_CONV_2D"),
    ("GlobalAveragePool", {}, "MEAN")])
def test_pools(kind, attributes, expected):
    graph = compared(one_node(kind, (1, 5, 7, 7), **attributes))
    assert kinds(graph)[2] == expected and len(graph.operators) <= 5
    other = compared(one_node(kind, (1, 5, 7, 7), sink=(0.04, 0), **attributes))
    assert ("QUANTIZE" in kinds(other)[3:]) == (expected in ("MAX_POOL_2D", "AVERAGE_POOL_2D"))


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
def test_elementwise(kind):
    model = QdqModel()
    x = model.input((1, 3, 4, 5))
    other = model.qdq(model.input((1, 3, 4, 5), name="x2"), 0.03, -9)
    assert kinds(compared(model.proto(model.qdq(model.node(kind, [model.qdq(x), other]), 0.07))))[4] == kind.upper()
    # A constant for each channel: three dimensions in ONNX, and the last of four here.
    model = QdqModel()
    channels = model.weights((3, 1, 1), scale=0.02)
    compared(one_node(kind, (1, 3, 4, 5), channels, model=model))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rows", [1, 4])
def test_gemm(transposed, rows):
    model = QdqModel()
    weights = model.weights((6, 20) if transposed else (20, 6), 0 if transposed else 1)
    bias = model.constant(np.float32(np.arange(6) / 4))
    graph = compared(one_node("Gemm", (rows, 20), weights, bias, model=model, sink=(0.2, 0), transB=int(transposed)))
    assert kinds(graph) == ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"]


def test_matmul_of_a_sequence():
    model = QdqModel()
    graph = compared(one_node("MatMul", (1, 4, 12), model.weights((12, 5), 1), model=model, sink=(0.2, 0)))
    assert graph.tensors[graph.operators[1].outputs[0]].shape == (1, 4, 5)


@pytest.mark.parametrize("flatten", ["Flatten", "Reshape", "Transpose"])
def test_weights_follow_the_order_in_which_an_image_is_stored(flatten):
    model = QdqModel()
    x = model.qdq(model.node("Conv", [model.qdq(model.input((1, 2, 3, 4))), model.weights((5, 2, 1, 1))]))
    if flatten == "Transpose":
        x = model.node("Flatten", [model.node("Transpose", [x], perm=[0, 3, 1, 2])])
    else:
        x = model.node(flatten, [x, model.constant(np.array([1, -1]))][:1 + (flatten == "Reshape")])
    graph = compared(model.proto(model.qdq(model.node("Gemm", [model.qdq(x), model.weights((60, 7), 1)]), 0.3)))
    assert kinds(graph)[3:] == ["FULLY_CONNECTED", "DEQUANTIZE"]


def test_what_cannot_be_folded_is_transposed():
    model = QdqModel()
    x = model.qdq(model.node("Conv", [model.qdq(model.input((1, 2, 3, 4))), model.weights((5, 2, 1, 1))]))
    x = model.node("Reshape", [x, model.constant(np.array([5, 12]))])
    y = model.node("MatMul", [x, model.weights((12, 3))])
    graph = compared(model.proto(model.qdq(y, 0.2), model.node("Transpose", [x], perm=[1, 0])))
    assert kinds(graph).count("TRANSPOSE") == 3  # the input, before the product, and the second output
    # Where only dimensions of length one change places nothing has to move.
    graph = compared(one_node("MaxPool", (1, 1, 4, 4), kernel_shape=[2, 2]))
    assert kinds(graph) == ["RESHAPE", "QUANTIZE", "MAX_POOL_2D", "RESHAPE", "DEQUANTIZE"]


def test_softmax_is_quantised_by_itself():
    model = QdqModel()
    soft = model.node("Softmax", [model.qdq(model.input((2, 10)))])
    assert kinds(compared(model.proto(soft))) == ["QUANTIZE", "SOFTMAX", "DEQUANTIZE"]
    assert kinds(compared(one_node("Softmax", (2, 10), sink=(1 / 255, -128))))[1:] == [
        "SOFTMAX", "QUANTIZE", "DEQUANTIZE"]


def test_quantised_inputs_and_outputs_are_int8():
    for activation in (np.int8, np.uint8):
        model = QdqModel(activation=activation)
        x = model.dequantise(model.input((1, 3, 4, 4), activation), 0.1, 5)
        y = model.quantise(model.node("Conv", [x, model.weights((2, 3, 4, 4))]), 0.2, -7)
        content = model.proto(y, dtype=activation).SerializeToString()
        graph = onnx_qdq.parse(content)
        assert [graph.tensors[i].dtype for i in (*graph.inputs, *graph.outputs)] == [np.int8, np.int8]
        assert kinds(graph) == ["TRANSPOSE", "CONV_2D", "RESHAPE"]
        values, = random_inputs(graph)
        found = differences(graph, values, evaluated(graph, values), reference_outputs(content, list(values.values())))
        assert [d.largest <= 1 for d in found] == [True]


def test_an_open_batch_is_one():
    proto = one_node("Relu", ("N", 6))
    assert onnx_qdq.parse(proto.SerializeToString()).tensors[0].shape == (1, 6)


def test_float_weights_into_quantise_are_folded():
    model = QdqModel()
    reals = model.constant(np.float32([[0.5, -0.25], [9, 0.012]]))
    graph = compared(one_node("MatMul", (1, 2), model.qdq(reals, 0.01, 0), model=model))
    assert graph.tensors[graph.operators[1].inputs[1]].data.tolist() == [[50, 127], [-25, 1]]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx cannot be read: No such file"):
        onnx_qdq.load(tmp_path / "none.onnx")
    assert "is not an ONNX model" in refused(b"\xff" * 40)
    assert "holds no graph" in refused(b"")
    content = one_node("Relu", (1, 6)).SerializeToString()
    for length in range(0, len(content) - 1, 7):
        refused(content[:length])
    assert "a name that is no text" in refused(content.replace(b"Relu", b"\xff\xff\xff\xff"))


def test_float_and_other_quantisations_are_refused():
    model = QdqModel()
    proto = model.proto(model.node("Relu", [model.input((1, 4))]))
    assert "is a float model" in refused(proto)
    assert "has opset 12, expected 13 or later" in refused(one_node("Relu", (1, 4), model=QdqModel(opset=12)))
    proto.graph.node[0].op_type = "QLinearConv"
    assert "is quantised with QLinearConv, expected the QDQ form" in refused(proto)
    wide = one_node("Relu", (1, 4), model=QdqModel(opset=21))
    for tensor in wide.graph.initializer:
        if "zero" in tensor.name:
            tensor.CopyFrom(numpy_helper.from_array(np.array(3, np.int16), tensor.name))
    assert "quantises to int16, expected int8 or uint8" in refused(wide)


def test_two_quantisations_of_the_same_integers_are_refused():
    model = QdqModel()
    assert "has another scale or zero point" in refused(
        model.proto(model.dequantise(model.quantise(model.input((1, 4)), 0.1), 0.2)))


def test_invalid_models_are_refused():
    model = QdqModel()
    assert "which do not fit 3 input channels" in refused(
        one_node("Conv", (1, 3, 4, 4), model.weights((2, 2, 1, 1)), model=model))
    assert "with a dynamic or empty shape" in refused(one_node("Relu", (1, "n")))
    proto = one_node("Relu", (1, 4))
    proto.graph.node[0].input[0] = "nobody"
    assert "is not a valid ONNX model" in refused(proto)
    proto = one_node("Relu", (1, 4))
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    assert "is not a valid ONNX model" in refused(proto)
