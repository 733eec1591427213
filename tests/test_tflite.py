"""Reading models: what the graph holds, and that anything else is refused with a sentence."""

import numpy as np
import pytest
from model_builder import Spec, constant, model, one_operator, serialise
from systolith.host import tflite
from systolith.host.graph import ModelError, activation_range, window

STRIDES = {"strideH": 1, "strideW": 1}


def convolution(**changes):
    """Tensors of a small CONV_2D, some of them changed, as a model's bytes."""
    parts = {"x": Spec((1, 5, 4, 3), 0.5, -3), "weights": constant(np.ones((2, 3, 3, 3)), np.int8, scale=[0.1, 0.2]),
             "bias": constant([7, -7]), "output": Spec((1, 5, 4, 2), 0.25, 1), "options": STRIDES} | changes
    return one_operator("CONV_2D", [parts["x"], parts["weights"], parts["bias"]], parts["output"],
                        ("Conv2DOptions", parts["options"]))


def changed(change):
    """A chain of two RELU, after a change to the schema's object."""
    result = model([Spec((1, 4))] * 3, [("RELU", [0], [1], None), ("RELU", [1], [2], None)], [0], [2])
    change(result, result.subgraphs[0])
    return serialise(result)


def test_graph_holds_the_model():
    graph = tflite.parse(convolution(options={**STRIDES, "fusedActivationFunction": 3}), "small")
    assert (graph.name, graph.inputs, graph.outputs) == ("small", [0], [3])
    operator, = graph.operators
    assert (operator.kind, operator.inputs, operator.outputs) == ("CONV_2D", [0, 1, 2], [3])
    assert operator.options == {"stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1, "padding": "SAME",
                                "activation": "RELU6", "quantized_bias_type": 0}
    x, weights, bias, _ = graph.tensors
    assert (x.name, x.shape, x.dtype, x.scale, x.zero_point, x.data) == ("t0", (1, 5, 4, 3), np.int8, 0.5, -3, None)
    assert weights.data.shape == (2, 3, 3, 3) and weights.scale.tolist() == np.float32([0.1, 0.2]).tolist()
    assert bias.dtype == np.int32 and bias.data.tolist() == [7, -7] and bias.scale.size == 0


def test_shared_models_load(shared):
    counts = {path.stem: len(tflite.load(path).operators) for path in (shared / "models").glob("*.tflite")}
    assert counts == {"ad01_int8": 10, "kws_ref_model": 13, "pretrainedResnet_quant": 16, "vww_96_int8": 31}


def test_old_files_have_their_codes_in_the_deprecated_field():
    def age(result, _subgraph):
        for code in result.operatorCodes:
            code.deprecatedBuiltinCode, code.builtinCode = code.builtinCode, 0
    assert [operator.kind for operator in tflite.parse(changed(age)).operators] == ["RELU", "RELU"]


def test_float_at_the_border():
    tensors = [Spec((1, 4), None, dtype=np.float32), Spec((1, 4)), Spec((1, 4), None, dtype=np.float32)]
    graph = tflite.parse(serialise(model(
        tensors, [("QUANTIZE", [0], [1], None), ("DEQUANTIZE", [1], [2], None)], [0], [2])))
    assert [tensor.dtype for tensor in graph.tensors] == [np.float32, np.int8, np.float32]


FLOAT = Spec((1, 4), None, dtype=np.float32)
REFUSED = {
    "float": (one_operator("RELU", [FLOAT], FLOAT), r"operator 0 \(RELU\) works on floats"),
    "float inside": (serialise(model(
        [Spec((1, 4)), FLOAT, FLOAT], [("DEQUANTIZE", [0], [1], None), ("RELU", [1], [2], None)], [0], [2])),
        "DEQUANTIZE.*works on floats"),
    "dynamic range": (one_operator(
        "FULLY_CONNECTED", [FLOAT, constant(np.ones((2, 4)), np.int8, scale=0.1), None],
        Spec((1, 2), None, dtype=np.float32), ("FullyConnectedOptions", {})), "dynamic-range"),
    "int16": (one_operator("RELU", [Spec((1, 4), dtype=np.int16)], Spec((1, 4), dtype=np.int16)),
              "int16 activations.*expected int8"),
    "uint8": (one_operator("RELU", [Spec((1, 4), dtype=np.uint8)], Spec((1, 4), dtype=np.uint8)),
              "uint8 is allowed only"),
    "float constant": (one_operator("ADD", [Spec((1, 4)), constant([1], np.float32)], Spec((1, 4)),
                                    ("AddOptions", {})), "float32 constant"),
    "no scale": (one_operator("RELU", [Spec((1, 4), None)], Spec((1, 4))), "0 scales, expected one"),
    "scale": (one_operator("RELU", [Spec((1, 4), 0.0)], Spec((1, 4))), "expected scales between"),
    "zero point": (one_operator("RELU", [Spec((1, 4), 0.1, 128)], Spec((1, 4))), "zero points between -128 and 127"),
    "two scales": (one_operator("RELU", [Spec((1, 2), [0.1, 0.2], axis=1)], Spec((1, 2))), "2 scales, expected one"),
    "scales of nothing": (convolution(weights=constant(np.ones((2, 3, 3, 3)), np.int8, scale=[1, 1, 1])),
                          "3 scales for dimension 0"),
    "factor": (one_operator("RELU", [Spec((1, 4), 1e5)], Spec((1, 4), 1e-5)), r"output scale less than 2\*\*-30"),
    "dynamic shape": (one_operator("RELU", [Spec((1, -1))], Spec((1, 4))), "dynamic or empty shape"),
    "signature": (changed(lambda _, subgraph: setattr(subgraph.tensors[0], "shapeSignature", [1, -1])),
                  "dynamic or empty shape"),
    "unsupported": (one_operator("SVDF", [Spec((1, 4))], Spec((1, 4))), "operator 0 is SVDF, expected one of ABS,"),
    "custom": (changed(lambda result, _: (setattr(result.operatorCodes[0], "customCode", b"mine"),
                                          setattr(result.operatorCodes[0], "builtinCode", 32))),
               "operator 0 is custom mine"),
    "two subgraphs": (changed(lambda result, _: result.subgraphs.append(result.subgraphs[0])),
                      "must have one subgraph, not 2"),
    "no operators": (changed(lambda _, subgraph: setattr(subgraph, "operators", [])), "has no operators"),
    "order": (changed(lambda _, subgraph: subgraph.operators.reverse()), r"reads tensor 1 before anything writes it"),
    "twice": (changed(lambda _, subgraph: setattr(subgraph.operators[1], "outputs", [1])), "already has a value"),
    "no output": (changed(lambda _, subgraph: subgraph.operators.pop()), "nothing writes the output, tensor 2"),
    "tensor number": (changed(lambda _, subgraph: setattr(subgraph.operators[0], "inputs", [9])), "name tensor 9"),
    "input number": (changed(lambda _, subgraph: setattr(subgraph, "inputs", [-1])), "the inputs name tensor -1"),
    "code number": (changed(lambda _, subgraph: setattr(subgraph.operators[0], "opcodeIndex", 7)), "code 7"),
    "buffer number": (changed(lambda _, subgraph: setattr(subgraph.tensors[0], "buffer", 5)), "buffer 5"),
    "data size": (convolution(bias=Spec((3,), None, dtype=np.int32, data=np.zeros(2, np.int32))),
                  "8 bytes of data, expected 12"),
    "activation": (convolution(options={**STRIDES, "fusedActivationFunction": 4}), "the activation TANH"),
    "unknown activation": (convolution(options={**STRIDES, "fusedActivationFunction": 77}), "has activation 77"),
    "stride": (convolution(options={"strideH": 0, "strideW": 1}), "stride_h between 1 and 4096, not 0"),
    "options": (one_operator("CONV_2D", [Spec((1, 5, 4, 3)), constant(np.ones((2, 3, 3, 3)), np.int8, scale=[1, 1])],
                             Spec((1, 5, 4, 2))), "lacks the option"),
    "bias": (convolution(bias=constant([1, 2, 3])), r"int32 constant of shape \[2\], not int32 of shape \[3\]"),
    "weights": (convolution(weights=constant(np.ones((2, 3, 3, 2)), np.int8, scale=0.1)),
                "do not fit 3 input channels"),
    "weights' zero point": (convolution(weights=constant(np.ones((2, 3, 3, 3)), np.int8, scale=0.1, zero_point=3)),
                            "zero point 3, expected 0"),
    "variable weights": (convolution(weights=Spec((2, 3, 3, 3))), "to be an int8 constant"),
    "output shape": (convolution(output=Spec((1, 5, 5, 2))), r"shape \[1, 5, 5, 2\], expected \[1, 5, 4, 2\]"),
    "number of inputs": (one_operator("RELU", [Spec((1, 4)), Spec((1, 4))], Spec((1, 4))), "must have 1 to 1 inputs"),
    "broadcast": (one_operator("ADD", [Spec((1, 4)), Spec((1, 3))], Spec((1, 4)), ("AddOptions", {})),
                  "do not broadcast"),
    "operand": (one_operator("ADD", [Spec((1, 4)), constant([[1, 2, 3, 4]])], Spec((1, 4)), ("AddOptions", {})),
                r"computes on int32 \(tensor 1\), expected int8"),
    "softmax": (one_operator("SOFTMAX", [Spec((1, 4))], Spec((1, 4), 1 / 256, 0), ("SoftmaxOptions", {"beta": 1.0})),
                "scale 1/256 and zero point -128"),
    "axes in two dimensions": (one_operator("MEAN", [Spec((1, 4, 4, 2)), constant([[1, 2]])], Spec((1, 2)),
                                            ("ReducerOptions", {})), r"an int32 constant of shape \[None\], not"),
    "an absent part": (one_operator("PACK", [Spec((1, 4)), None], Spec((1, 4)), ("PackOptions", {"valuesCount": 1})),
                       r"operator 0 \(PACK\) must have 1 to 1024 inputs"),
    "dimensions": (one_operator("RELU", [Spec((1,) * 17)], Spec((1,) * 17)), "has 17 dimensions, expected 16 at most"),
    "axis": (one_operator("MEAN", [Spec((1, 4)), constant([2])], Spec((1,)), ("ReducerOptions", {})),
             "reduces dimensions"),
    "order of transpose": (one_operator("TRANSPOSE", [Spec((1, 4)), constant([1, 1])], Spec((4, 1))), "a permutation"),
    "empty": (b"", "is not a TensorFlow Lite model"),
    "text": (b"not a model at all", "is not a TensorFlow Lite model"),
    "identifier only": (b"\xff\xff\xff\x7fTFL3" + bytes(8), "is damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    content, expected = REFUSED[case]
    with pytest.raises(ModelError, match=expected) as caught:
        tflite.parse(content, "bad")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("model bad")


def test_unreadable_files(tmp_path):
    for path in (tmp_path, tmp_path / "missing.tflite"):
        with pytest.raises(ModelError, match="cannot be read"):
            tflite.load(path)


def test_damage_is_refused_or_harmless():
    """Truncated anywhere, or with random bytes overwritten: a graph or a ModelError, never anything else."""
    rng = np.random.default_rng(1)
    whole = convolution()
    refused = 0
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for _ in range(1500):
        content = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(content), rng.integers(1, 4))
        content[places] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))], len(places))
        damaged.append(content.tobytes())
    for content in damaged:
        try:
            tflite.parse(content)
        except ModelError:
            refused += 1
    assert 100 < refused < len(damaged)


def test_window():
    assert window(5, 3, 1, 1, "SAME") == (5, 1, 1)
    assert window(6, 3, 2, 1, "SAME") == (3, 0, 1)
    assert window(9, 3, 1, 2, "SAME") == (9, 2, 2)
    assert window(5, 1, 2, 1, "SAME") == (3, 0, 0)
    assert window(6, 3, 2, 1, "VALID") == (2, 0, 0)
    assert window(2, 3, 1, 1, "VALID") == (0, 0, 0)


def test_activation_range():
    assert activation_range("NONE", 0.1, 5) == (-128, 127)
    assert activation_range("RELU", 0.1, 5) == (5, 127)
    assert activation_range("RELU6", 0.1, -128) == (-128, -68)
    assert activation_range("RELU6", 0.01, 0) == (0, 127)
    assert activation_range("RELU_N1_TO_1", 0.4, 0) == (-3, 3)  # 2.5: halves away from zero


def flattened(shape=(3, 8), **more):
    """What a converter writes where it does not know the batch: SHAPE, a slice of it, PACK; the size of a RESHAPE."""
    mask = ("StridedSliceOptions", {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 1, "ellipsisMask": 0,
                                    "newAxisMask": 0})
    number = Spec((), None, dtype=np.int32)
    tensors = [Spec((1, *shape)), Spec((3,), None, dtype=np.int32), constant([0]), constant([1]), constant([1]), number,
               constant(24), Spec((2,), None, dtype=np.int32), Spec((1, 24)), Spec((1, 24))]
    return serialise(model(tensors, [
        ("SHAPE", [0], [1], None), ("STRIDED_SLICE", [1, 2, 3, 4], [5], mask),
        ("PACK", [5, 6], [7], ("PackOptions", {"valuesCount": 2, "axis": 0, **more})),
        ("RESHAPE", [0, 7], [8], None), ("RELU", [8], [9], None)], [0], [9]))


def test_shapes_are_computed_at_once():
    graph = tflite.parse(flattened())
    assert [(operator.index, operator.kind) for operator in graph.operators] == [(0, "RESHAPE"), (1, "RELU")]
    assert graph.tensors[7].data.tolist() == [1, 24]


@pytest.mark.parametrize("kind, options, operands, expected", [
    ("ADD", ("AddOptions", {}), [[3, 4], [5, -6]], [8, -2]),
    ("SUB", ("SubOptions", {}), [[3, 4], [5, -6]], [-2, 10]),
    ("MUL", ("MulOptions", {}), [[3, 4], [5, -6]], [15, -24]),
    ("FLOOR_DIV", None, [[7, 7], [2, -2]], [3, -4]),
    ("MAXIMUM", None, [[3, 4], [5, -6]], [5, 4]),
    ("MINIMUM", None, [[3, 4], [5, -6]], [3, -6]),
    ("CAST", None, [[3, 4]], [3, 4]),
    ("CONCATENATION", ("ConcatenationOptions", {"axis": 0}), [[3], [4]], [3, 4]),
    ("GATHER", ("GatherOptions", {"axis": 0}), [[5, 6, 7], [2, 0]], [7, 5]),
    ("SLICE", None, [[5, 6, 7], [1], [-1]], [6, 7]),
    ("REDUCE_PROD", ("ReducerOptions", {"keepDims": True}), [[5, 6, 7], [0]], [210]),
    ("SUM", ("ReducerOptions", {"keepDims": True}), [[5, 6, 7], [0]], [18]),
    ("EXPAND_DIMS", None, [[5, 6], [0]], [[5, 6]]),
    ("SQUEEZE", ("SqueezeOptions", {}), [[[5, 6]]], [5, 6]),
    ("RESHAPE", None, [[5, 6], [2, 1]], [[5], [6]])])
def test_integers_are_computed_at_once(kind, options, operands, expected):
    constants = [constant(values) for values in operands]
    output = Spec(np.shape(expected), None, dtype=np.int32)
    graph = tflite.parse(serialise(model(
        [*constants, output, Spec((1, 4)), Spec((1, 4))],
        [(kind, list(range(len(constants))), [len(constants)], options),
         ("RELU", [len(constants) + 1], [len(constants) + 2], None)], [len(constants) + 1], [len(constants) + 2])))
    assert graph.tensors[len(constants)].data.tolist() == expected
    assert [operator.kind for operator in graph.operators] == ["RELU"]


@pytest.mark.parametrize("content, sentence", [
    (flattened((3, 7)), r"operator 3 \(RESHAPE\) cannot make shape \[1, 24\]"),
    (flattened(axis=5), r"operator 2 \(PACK\) has constants that it cannot compute with"),
    (one_operator("FLOOR_DIV", [constant([1]), constant([0, 1])], Spec((1,), None, dtype=np.int32)),
     r"operator 0 \(FLOOR_DIV\) has constants"),
    (one_operator("SHAPE", [Spec((1, 4))], Spec((3,), None, dtype=np.int32)), r"output of shape \[3\], expected \[2\]"),
    (one_operator("CAST", [Spec((1, 4))], Spec((1, 4))), r"operator 0 \(CAST\) is supported only where its inputs")])
def test_shapes_that_do_not_fit(content, sentence):
    with pytest.raises(ModelError, match=sentence):
        tflite.parse(content)


def filled(values, output=None):
    """A recurrent layer's first state, as an operand of ADD."""
    state = Spec((1, 4)) if output is None else output
    return serialise(model([Spec((1, 4)), constant([1, 4]), values, state, Spec((1, 4))],
                           [("FILL", [1, 2], [3], ("FillOptions", {})), ("ADD", [0, 3], [4], ("AddOptions", {}))],
                           [0], [4]))


def test_fill_is_a_constant():
    graph = tflite.parse(filled(constant(np.int8(7), np.int8, scale=0.1)))
    assert [operator.kind for operator in graph.operators] == ["ADD"] and graph.tensors[3].data.tolist() == [[7] * 4]


@pytest.mark.parametrize("content, sentence", [
    (filled(constant([1, 2], np.int8, scale=0.1)), "fills the shape .* with 2 numbers of int8, expected one of int8"),
    (filled(constant(1)), "with 1 numbers of int32, expected one of int8"),
    (filled(constant(np.int8(7), np.int8, scale=0.1), Spec((2, 4))), r"output of shape \[2, 4\], expected \[1, 4\]")])
def test_fills_that_do_not_fit(content, sentence):
    with pytest.raises(ModelError, match=rf"operator 0 \(FILL\) .*{sentence}"):
        tflite.parse(content)
