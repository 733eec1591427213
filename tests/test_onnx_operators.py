"""ONNX operators beyond the first ones, each against ONNX Runtime and on the chip's model, and how they are joined."""

import numpy as np
import pytest
from onnx_compared import compared, kinds, one_node
from onnx_model_builder import QdqModel
from systolith.host.onnx_qdq.elementwise import SINGLE

#: What these mean of negative numbers or of 0 is nothing that int8 could hold: the input is positive.
_POSITIVE = {"Log", "Reciprocal", "Sqrt"}
#: Since which opset they are there.
_SINCE = {"Gelu": 20, "Mish": 18}


@pytest.mark.parametrize("kind", SINGLE)
def test_functions_of_one_element_are_exact(kind):
    source = (0.03, -128) if kind in _POSITIVE else (0.05, 3)
    model = QdqModel(opset=_SINCE.get(kind, 17))
    graph = compared(one_node(kind, (1, 3, 8, 8), model=model, source=source, sink=(0.02, -20)), own=0)
    assert kinds(graph)[2:-2] == ["LOOKUP"]


def test_functions_of_the_same_elements_are_one_table():
    model = QdqModel()
    x = model.qdq(model.input((1, 4, 4, 4)))
    # x * relu6(x + 3) / 6, as PyTorch writes hard-swish, and then a clip that no activation is.
    gate = model.node("Clip", [model.node("Add", [x, model.constant(np.float32(3))]),
                               *(model.constant(np.float32(bound)) for bound in (0, 6))])
    y = model.node("Div", [model.node("Mul", [x, gate]), model.constant(np.float32(6))])
    y = model.node("Clip", [y, model.constant(np.float32(-0.2)), model.constant(np.float32(2.5))])
    graph = compared(model.proto(model.qdq(y, 0.02, -100)), own=0)
    assert kinds(graph)[2:-2] == ["LOOKUP"]
    # GELU of its error function, and a power of the result.
    model = QdqModel()
    x = model.qdq(model.input((2, 9)))
    part = model.node("Erf", [model.node("Div", [x, model.constant(np.float32(2 ** 0.5))])])
    y = model.node("Mul", [x, model.node("Add", [part, model.constant(np.float32(1))])])
    y = model.node("Pow", [model.node("Mul", [y, model.constant(np.float32(0.5))]), model.constant(np.float32(2))])
    assert kinds(compared(model.proto(model.qdq(y, 0.05, -128)), own=0)) == ["QUANTIZE", "LOOKUP", "DEQUANTIZE"]


def test_a_function_at_the_end_gives_reals():
    model = QdqModel()
    y = model.node("Conv", [model.qdq(model.input((1, 4, 4, 4))), model.weights((3, 4, 1, 1))])
    y = model.node("Tanh", [model.node("Add", [model.qdq(y, 0.08, -10), model.constant(np.float32(0.5))])])
    graph = compared(model.proto(y))
    assert kinds(graph)[-1] == "LOOKUP" and graph.tensors[graph.outputs[0]].dtype == np.float32


def test_a_clip_that_no_activation_is_follows_its_operator():
    model = QdqModel()
    y = model.node("Conv", [model.qdq(model.input((1, 4, 4, 4))), model.weights((3, 4, 1, 1))])
    y = model.node("Clip", [y, model.constant(np.float32(-0.5)), model.constant(np.float32(3))])
    assert kinds(compared(model.proto(model.qdq(y, 0.08, -10))))[2:4] == ["CONV_2D", "LOOKUP"]
    # Nor does the chip's mean or concatenation confine its result.
    model = QdqModel()
    y = model.node("Relu", [model.node("GlobalAveragePool", [model.qdq(model.input((1, 40, 5, 5)), 0.05, 0)])])
    assert kinds(compared(model.proto(model.qdq(y, 0.004, -100))))[2:4] == ["MEAN", "LOOKUP"]


@pytest.mark.parametrize("kind", ["Max", "Min"])
def test_extremes(kind):
    model = QdqModel()
    x = model.qdq(model.input((1, 3, 4, 5)))
    other = model.qdq(model.input((1, 3, 4, 5), name="x2"), 0.03, -9)
    graph = compared(model.proto(model.qdq(model.node(kind, [x, other]), 0.07)))
    assert f"{kind.upper()}IMUM" in kinds(graph)
    model = QdqModel()
    compared(one_node(kind, (1, 3, 4, 5), model.constant(np.float32(0.4)), model=model), own=0)


def test_operands_of_channels():
    for kind, first in (("Add", False), ("Sub", False), ("Sub", True), ("Mul", False)):
        model = QdqModel()
        x = model.qdq(model.input((1, 3, 4, 5)))
        channels = model.constant(np.float32([[[0.5]], [[-2]], [[0]]]))
        graph = compared(model.proto(model.qdq(model.node(kind, [channels, x] if first else [x, channels]), 0.08)))
        assert kinds(graph)[2] == "DEPTHWISE_CONV_2D"


@pytest.mark.parametrize("shape", [(1, 4, 5, 6), (2, 4), (1, 4, 7)])
def test_batch_normalization(shape):
    model = QdqModel()
    parameters = [model.constant(model.rng.uniform(low, 1, 4).astype(np.float32)) for low in (-1, -1, -1, 0.1)]
    y = model.node("BatchNormalization", [model.qdq(model.input(shape)), *parameters])
    compared(model.proto(model.qdq(model.node("Relu", [y]), 0.07, -120)))


@pytest.mark.parametrize("attributes, weights, group", [
    ({"strides": [2, 2]}, (3, 5, 2, 2), 1), ({"strides": [2, 2], "pads": [1, 1, 1, 1]}, (3, 5, 4, 4), 1),
    ({"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 2]}, (3, 4, 3, 3), 1),
    ({"pads": [1, 1, 1, 1]}, (3, 4, 3, 3), 1), ({"strides": [2, 2], "group": 3}, (3, 2, 2, 2), 3)])
def test_transposed_convolutions(attributes, weights, group):
    model = QdqModel()
    stored = model.weights(weights, 1 if group == 1 else None)
    bias = model.constant(model.rng.normal(size=weights[1] * group).astype(np.float32))
    graph = compared(one_node("ConvTranspose", (1, 3, 5, 4), stored, bias, model=model, sink=(0.2, 4), **attributes))
    assert "TRANSPOSE_CONV" in kinds(graph)


def test_sequences_are_images_of_height_one():
    model = QdqModel()
    x = model.qdq(model.input((1, 6, 20)))
    y = model.qdq(model.node("Relu", [model.node("Conv", [x, model.weights((8, 6, 3), 0)], pads=[1, 1])]), 0.1, -90)
    y = model.qdq(model.node("MaxPool", [y], kernel_shape=[2], strides=[2]), 0.1, -90)
    z = model.qdq(model.node("Conv", [y, model.weights((8, 1, 3))], group=8, pads=[2, 2], dilations=[2]), 0.2, 0)
    y = model.qdq(model.node("Add", [model.qdq(model.node("HardSwish", [z]), 0.2, -5), y]), 0.2, -20)
    y = model.qdq(model.node("Concat", [y, z], axis=1), 0.2, 0)
    y = model.qdq(model.node("GlobalAveragePool", [y]), 0.1, 0)
    y = model.node("Gemm", [model.node("Flatten", [y]), model.weights((16, 5))])
    graph = compared(model.proto(model.qdq(y, 0.1)))
    # Only the model's input has to be put into another order.
    assert kinds(graph).count("TRANSPOSE") == 1 and "RESHAPE" not in kinds(graph)[2:]


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concatenations(axis):
    model = QdqModel()
    x = model.qdq(model.input((2, 3, 4, 5)))
    other = model.qdq(model.input((2, 3, 4, 5), name="x2"), 0.03, -9)
    graph = compared(model.proto(model.qdq(model.node("Concat", [x, other, x], axis=axis))))
    assert kinds(graph).count("CONCATENATION") == 1 and kinds(graph).count("QUANTIZE") == 3


@pytest.mark.parametrize("opset", [13, 18])
def test_splits(opset):
    model = QdqModel(opset=opset)
    x = model.qdq(model.input((1, 7, 4, 3)))
    first, second = model.nodes_outputs("Split", [x, model.constant(np.array([3, 4]))], 2, axis=1)
    compared(model.proto(model.qdq(first), model.qdq(second, 0.04, 0)))


@pytest.mark.parametrize("starts, ends, axes, steps", [
    ([1, 0], [3, -1], [1, 3], None), ([0], [100], [2], [2]), ([-1], [-100], [3], [-1]),
    ([5, 0], [1, 9], [2, 1], [-2, 1])])
def test_slices(starts, ends, axes, steps):
    model = QdqModel()
    numbers = [model.constant(np.array(values)) for values in (starts, ends, axes, steps) if values]
    compared(one_node("Slice", (1, 4, 6, 5), *numbers, model=model))


@pytest.mark.parametrize("places, axis", [([2, 0, 0], 1), ([1, -1], 2), (1, 3)])
def test_gathers(places, axis):
    model = QdqModel()
    compared(one_node("Gather", (1, 4, 6, 5), model.constant(np.array(places)), model=model, axis=axis))


@pytest.mark.parametrize("mode, pads, fill", [
    ("constant", [0, 1, 2, 0, 0, 0, 1, 3], None), ("constant", [0, 0, 1, 1, 0, 0, 1, 1], -1.2),
    ("reflect", [0, 0, 1, 2, 0, 0, 2, 1], None)])
def test_pads(mode, pads, fill):
    model = QdqModel()
    more = [model.constant(np.array(pads)), *([model.constant(np.float32(fill))] if fill else [])]
    compared(one_node("Pad", (1, 3, 4, 5), *more, model=model, mode=mode))


@pytest.mark.parametrize("scales, attributes", [
    ([2, 2], {}), ([2, 3], {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ([0.5, 0.5], {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ([1.5, 1.7], {}), ([2, 2], {"mode": "linear"}), ([2, 2], {"mode": "linear",
                                                             "coordinate_transformation_mode": "align_corners"}),
    ([3, 2], {"mode": "linear", "coordinate_transformation_mode": "asymmetric"})])
def test_resizes(scales, attributes):
    model = QdqModel()
    x = model.qdq(model.input((1, 3, 6, 5)))
    numbers = model.constant(np.float32([1, 1, *scales]))
    compared(model.proto(model.qdq(model.node("Resize", [x, "", numbers], **attributes))))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_and_back(mode):
    model = QdqModel()
    x = model.qdq(model.input((1, 12, 3, 4)))
    y = model.qdq(model.node("DepthToSpace", [x], blocksize=2, mode=mode))
    compared(model.proto(model.qdq(model.node("SpaceToDepth", [y], blocksize=2))))


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceMax", "ReduceMin", "GlobalMaxPool"])
def test_reductions(kind):
    attributes = {} if kind == "GlobalMaxPool" else {"axes": [2, 3], "keepdims": 0}
    compared(one_node(kind, (1, 5, 4, 6), **attributes))
    if attributes:
        compared(one_node(kind, (1, 5, 4, 6), axes=[1]))
    model = QdqModel()
    compared(one_node("ReduceSum", (1, 5, 4, 6), model.constant(np.array([-1, -2])), model=model, sink=(0.3, 0)))


def test_prelu():
    model = QdqModel()
    slopes = model.constant(np.float32([[[0.1]], [[-0.4]], [[0.25]]]))
    assert "PRELU" in kinds(compared(one_node("PRelu", (1, 3, 4, 5), slopes, model=model)))
    model = QdqModel()
    assert "LOOKUP" in kinds(compared(one_node("PRelu", (1, 3, 4, 5), model.constant(np.float32([0.1])), model=model)))


def test_a_product_of_two_computed_matrices():
    model = QdqModel()
    a = model.qdq(model.input((2, 4, 6)))
    b = model.qdq(model.input((2, 6, 5), name="b"), 0.04, -3)
    assert "BATCH_MATMUL" in kinds(compared(model.proto(model.qdq(model.node("MatMul", [a, b]), 0.3))))


def test_shapes_are_computed_when_the_model_is_read():
    """What PyTorch writes for x.view(x.size(0), -1)."""
    model = QdqModel()
    x = model.qdq(model.input((1, 2, 3, 4)))
    size = model.node("Gather", [model.node("Shape", [x]), model.constant(np.array(0))], axis=0)
    target = model.node("Concat", [model.node("Unsqueeze", [size, model.constant(np.array([0]))]),
                                   model.constant(np.array([-1]))], axis=0)
    y = model.node("Gemm", [model.node("Reshape", [x, target]), model.weights((24, 5))])
    assert kinds(compared(model.proto(model.qdq(y, 0.2)))) == ["TRANSPOSE", "QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"]


def test_one_index_of_five_dimensions():
    """As attention takes queries, keys and values apart: what is left is no image."""
    model = QdqModel()
    x = model.qdq(model.input((1, 5, 3, 2, 4)))
    for index in range(3):
        y = model.qdq(model.node("Gather", [x, model.constant(np.array(index))], axis=2))
    assert "GATHER" in kinds(compared(model.proto(y), own=0))
