"""Where ONNX operators meet: constants, scales, integers, orders of dimensions, results without quantisation."""

import numpy as np
import pytest
from onnx_compared import compared, kinds, one_node, refused
from onnx_model_builder import QdqModel
from systolith.host import onnx_qdq


def test_constants_that_are_quantised_twice():
    model = QdqModel()
    weights = model.node("Transpose", [model.weights((4, 5))], perm=[1, 0])
    y = model.node("MatMul", [model.qdq(model.input((1, 5))), model.qdq(weights, 0.02, 0)])
    compared(model.proto(model.qdq(y, 0.2)))


@pytest.mark.parametrize("kind", ["Softmax", "Split", "Gather"])
def test_axes_of_sequences_count_as_onnx_has_them(kind):
    model = QdqModel()
    y = model.node("MaxPool", [model.qdq(model.input((1, 4, 8)))], kernel_shape=[2], strides=[2])
    if kind == "Softmax":
        y = model.node(kind, [y], axis=-1)
    elif kind == "Split":
        y, _ = model.nodes_outputs(kind, [y, model.constant(np.array([3, 1]))], 2, axis=-1)
    else:
        y = model.node(kind, [y, model.constant(np.array([2, 0]))], axis=-2)
    compared(model.proto(model.qdq(y, 1 / 256, -128)))


@pytest.mark.parametrize("scale", [0.05, 0.005])
def test_clips_and_fills_are_in_the_scale_of_the_result(scale):
    model = QdqModel()
    x = model.qdq(model.input((1, 2, 6, 6)), 0.02, -128)
    bounds = [model.constant(np.float32(bound)) for bound in (-0.32, 0.57)]
    y = model.qdq(model.node("Clip", [model.node("MaxPool", [x], kernel_shape=[2, 2]), *bounds]), scale, 0)
    padded = model.node("Pad", [x, model.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), model.constant(np.float32(-5))])
    compared(model.proto(y, model.qdq(padded, 0.05, 0)))


def test_moves_on_integers():
    for activation in (np.int8, np.uint8):
        model = QdqModel(activation=activation)
        y = model.node("MaxPool", [model.quantise(model.input((1, 3, 6, 6)))], kernel_shape=[2, 2])
        y = model.node("Slice", [y, *(model.constant(np.array([n])) for n in (1, 4, 2))])
        compared(model.proto(model.qdq(model.node("Sigmoid", [model.dequantise(y)]), 1 / 256, -128)))


def test_a_zero_point_that_is_left_out_is_of_the_inputs_type():
    model = QdqModel()
    x = model.node("DequantizeLinear", [model.input((1, 6), np.int8), model.constant(np.float32(0.05))])
    compared(model.proto(model.qdq(model.node("Relu", [x]), 0.04, -100)))


def test_results_without_dimensions():
    model = QdqModel()
    x = model.qdq(model.input((1, 2, 3, 4)))
    greatest = model.node("ReduceMax", [x], keepdims=0)
    compared(model.proto(model.qdq(model.node("Sub", [x, greatest]), 0.06, 127)))
    graph = onnx_qdq.parse(one_node("ReduceMax", (1, 2, 3, 4), keepdims=0).SerializeToString())
    assert graph.tensors[graph.outputs[0]].shape == ()


def test_resizes_of_any_factor_stay_in_place():
    model = QdqModel()
    x, numbers = model.qdq(model.input((2, 1, 64, 5))), model.constant(np.float32([1, 1, 3, 1.7]))
    compared(model.proto(model.qdq(model.node("Resize", [x, "", numbers], mode="linear"))), count=1)
    model = QdqModel()
    x, sizes = model.qdq(model.input((2, 3, 4, 5))), model.constant(np.array([2, 3, 8, 10]))
    compared(model.proto(model.qdq(model.node("Resize", [x, "", "", sizes]))), count=1)


def test_transposed_convolutions_that_end_behind_their_input():
    for shape, strides, pads, more in (((1, 3, 1, 4), [2, 1], [1, 0, 0, 0], [1, 0]),
                                       ((1, 3, 2, 1), [1, 3], [0, 2, 0, 1], [0, 2])):
        model = QdqModel()
        compared(one_node("ConvTranspose", shape, model.weights((3, 2, 3, 3)), model=model, sink=(0.2, 0),
                          strides=strides, pads=pads, output_padding=more))


def test_products_of_four_dimensions():
    model = QdqModel()
    x = model.qdq(model.input((1, 2, 4, 6)))
    y = model.qdq(model.node("MatMul", [x, model.node("Transpose", [x], perm=[0, 1, 3, 2])]), 0.3, 0)
    y = model.node("MatMul", [y, model.weights((4, 5), 1)])
    assert {"BATCH_MATMUL", "FULLY_CONNECTED"} < set(kinds(compared(model.proto(model.qdq(y, 0.5)))))


def test_a_bias_that_is_none_is_refused():
    model = QdqModel()
    column = model.constant(np.float32([[0], [2], [-2], [4]]))
    assert "has a bias of shape [4, 1], expected a number for each of 4 outputs" in refused(
        one_node("Gemm", (4, 6), model.weights((6, 4)), column, model=model))


def test_errors_are_about_the_node_that_cannot_be():
    model = QdqModel()
    y = model.node("MaxPool", [model.qdq(model.input((1, 2, 6, 6)))], kernel_shape=[2, 2], strides=[5000, 1])
    assert "MaxPool 'maxpool" in refused(model.proto(model.qdq(model.node("Sigmoid", [y]))))


def test_what_is_computed_once_is_there_once():
    model = QdqModel()
    y = model.node("MaxPool", [model.qdq(model.input((1, 2, 6, 6)))], kernel_shape=[2, 2])
    gate = model.qdq(model.node("Sigmoid", [y]), 1 / 256, -128)
    assert kinds(compared(model.proto(model.qdq(model.node("Mul", [y, gate]))))).count("MAX_POOL_2D") == 1
