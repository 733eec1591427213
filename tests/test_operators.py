"""Each operator of the host against TensorFlow Lite Micro, all elements equal."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_builder import Spec, constant, model, one_operator, serialise
from random_operators import EVERY_INT8, Random, stimulus
from systolith.host import oracle, tflite
from systolith.host.check import ExactCheck
from systolith.host.compiler.compile import compile_graph
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.operators.comparison_rules import LOGICAL
from systolith.host.run import run_model
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice


def differences(model, graph, inputs):
    """(operator, elements that differ) wherever an operator, given the oracle's inputs, differs from the oracle."""
    expected = oracle.reference_outputs(model, inputs)
    values = dict(zip(graph.inputs, inputs)) | expected
    wrong = []
    for operator in graph.operators:
        for index, result in zip(operator.outputs, evaluate(graph, operator, values), strict=True):
            want = expected[index].reshape(graph.tensors[index].shape)
            assert result.shape == want.shape and result.dtype == want.dtype
            if not np.array_equal(result, want):
                wrong.append((operator.kind, np.count_nonzero(result != want)))
    return wrong


def test_shared_operators(shared):
    rng = np.random.default_rng(1)
    wrong, checked = {}, 0
    for path in sorted((shared / "ops").glob("*.tflite")):
        if path.stem == "exp":  # TensorFlow Lite Micro has no int8 EXP; see test_exp.
            continue
        graph = tflite.load(path)
        for _ in range(4):
            if found := differences(path, graph, [stimulus(rng, graph, index) for index in graph.inputs]):
                wrong[path.stem] = found
        checked += 1
    assert checked == 30 and not wrong


@pytest.mark.parametrize("kind, scale, zero", [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)])
def test_functions_where_results_are_all_but_halves(tmp_path, kind, scale, zero):
    # With scales that are powers of two many results lie so near to a half that fixed point and floats round apart.
    for exponent in range(-11, 3):
        for zero_in in (-128, 0, 5):
            model = one_operator(kind, [Spec((256,), 2.0 ** exponent, zero_in)], Spec((256,), scale, zero))
            (tmp_path / "m.tflite").write_bytes(model)
            assert differences(model, tflite.load(tmp_path / "m.tflite"), [EVERY_INT8]) == []


@pytest.mark.parametrize("name", ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8"])
def test_models(shared, name):
    path = shared / "models" / f"{name}.tflite"
    graph = tflite.load(path)
    for x in np.load(path.with_suffix(".inputs.npz"))["x"][:3]:
        assert differences(path, graph, [x]) == []


def test_example_digits():
    """The example is exact on some digits, and reads as many of all as its README says."""
    folder = Path(__file__).resolve().parents[1] / "examples" / "digits"
    graph = tflite.load(folder / "digits.tflite")
    digits = np.load(folder / "digits.npz")
    for x in digits["x"][:5]:
        assert differences(folder / "digits.tflite", graph, [x]) == []
    right = 0
    for x, label in zip(digits["x"], digits["labels"]):
        values = {graph.inputs[0]: x}
        for operator in graph.operators:
            values[operator.outputs[0]], = evaluate(graph, operator, values)
        right += values[graph.outputs[0]].argmax() == label
    assert (right, len(digits["x"])) == (355, 360)


@pytest.mark.parametrize("kind", sorted(tflite.KINDS - {"EXP", "GELU", "TILE", *LOGICAL, "SELECT_V2"}))
def test_random_models(kind):
    random = Random(sum(kind.encode()))
    for _ in range(75):
        model = one_operator(kind, *getattr(random, kind)())
        graph = tflite.parse(model)
        inputs = [stimulus(random.rng, graph, index) for index in graph.inputs]
        assert differences(model, graph, inputs) == [], graph.tensors


DECIMAL = (0.008, 0.01, 0.012, 0.015, 0.02, 0.025, 0.05, 0.1, 0.15)
#: Kind -> shapes of input, second factor and output, whether the second is a constant, options.
PRODUCTS = {
    "BATCH_MATMUL": ((256, 1), (1, 1), False, ("BatchMatMulOptions", {})),
    "CONV_2D": ((1, 16, 16, 1), (1, 1, 1, 1), True, ("Conv2DOptions", {"strideH": 1, "strideW": 1})),
    "FULLY_CONNECTED": ((256, 1), (1, 1), True, ("FullyConnectedOptions", {})),
    "MUL": ((256,), (1,), False, ("MulOptions", {})),
}


@pytest.mark.parametrize("kind", PRODUCTS)
def test_products_at_decimal_scales(kind):
    """Many a product of two int8 is a number and a half of the output's units: rounding shows a factor's last bit."""
    rng = np.random.default_rng(4)
    shape, by, is_constant, options = PRODUCTS[kind]
    for scales in rng.choice(DECIMAL, (150, 3)).tolist():
        x, factor, output = map(Spec, (shape, by, shape), scales)
        if is_constant:
            factor = replace(factor, data=rng.integers(1, 20, by, np.int8))
        model = one_operator(kind, [x, factor], output, options)
        graph = tflite.parse(model)
        assert differences(model, graph, [stimulus(rng, graph, index) for index in graph.inputs]) == [], scales


#: Far apart, and farther than any converter's: a rule refuses what the reference cannot compute.
SCALES = (1e-30, 1e-9, 2.0 ** -20, 0.004, 1, 3e4, 1e8)
EXTREME = {
    "ABS": (1, lambda a, y: ([a], y, ("AbsOptions", {}))),
    "BATCH_MATMUL": (2, lambda a, b, y: ([a, b], y, ("BatchMatMulOptions", {"adjX": True, "adjY": False}))),
    "ELU": (1, lambda a, y: ([a], y, None)),
    "PRELU": (2, lambda a, b, y: ([a, b], y, None)),
    "RSQRT": (1, lambda a, y: ([a], y, None)),
    "SQUARED_DIFFERENCE": (2, lambda a, b, y: ([a, b], y, None)),
}


@pytest.mark.parametrize("kind", EXTREME)
def test_extreme_scales(kind):
    rng = np.random.default_rng(3)
    count, parts = EXTREME[kind]
    refused, compared = 0, 0
    for scales in itertools.product(SCALES, repeat=count + 1):
        zeros = [-128 if kind == "RSQRT" else int(rng.integers(-128, 128)) for _ in scales]
        model = one_operator(kind, *parts(*(Spec((16, 16), *each) for each in zip(scales, zeros))))
        try:
            graph = tflite.parse(model)
        except ModelError as error:
            assert "output scale" in str(error)
            refused += 1
            continue
        inputs = [rng.permutation(EVERY_INT8).reshape(16, 16) for _ in graph.inputs]
        assert differences(model, graph, inputs) == [], (scales, zeros)
        compared += 1
    assert refused and compared > refused // 2


def test_elu_where_results_are_all_but_halves():
    for exponent, shift in itertools.product(range(-12, 2), range(-4, 8)):
        for zero in (-128, 0, 127):
            output = Spec((256,), 2.0 ** (exponent - shift), 3)
            model = one_operator("ELU", [Spec((256,), 2.0 ** exponent, zero)], output)
            assert differences(model, tflite.parse(model), [EVERY_INT8]) == []


def test_rsqrt_of_what_is_not_positive():
    """The reference refuses to compute what is negative; 0 gives the greatest output."""
    for zero in (-100, 0, 90):
        model = one_operator("RSQRT", [Spec((256,), 0.05, zero)], Spec((256,), 0.02, -30), None)
        graph = tflite.parse(model)
        x = np.maximum(EVERY_INT8, zero)
        assert differences(model, graph, [x]) == []
        result, = evaluate(graph, graph.operators[0], {0: EVERY_INT8})
        count = zero + 128
        assert np.all(result[:count + 1] == 127)
        assert np.array_equal(result[count:], evaluate(graph, graph.operators[0], {0: x})[0][count:])


def test_l2_normalization_of_zero_and_of_long_vectors():
    for depth, value in ((3, 7), (1, 8), (2000, 127), (33025, 127)):  # the last one's square is close to 2**31
        x = np.full((2, depth), value, np.int8)
        model = one_operator("L2_NORMALIZATION", [Spec(x.shape, 0.1, 7 if depth < 4 else -128)],
                             Spec(x.shape, 1 / 128, 0), ("L2NormOptions", {}))
        assert differences(model, tflite.parse(model), [x]) == []


def test_space_to_batch_pads_with_zero():
    """TensorFlow Lite Micro leaves the value to pad with uninitialised: its result on what has been padded counts."""
    random = Random(5)
    for _ in range(25):
        (x, block, amounts), output, options = random.SPACE_TO_BATCH_ND(around=True)
        graph = tflite.parse(one_operator("SPACE_TO_BATCH_ND", [x, block, amounts], output, options))
        value = stimulus(random.rng, graph, 0)
        around = np.pad(value, ((0, 0), *amounts.data.tolist(), (0, 0)), constant_values=x.zero_point)
        padded = one_operator("SPACE_TO_BATCH_ND", [Spec(around.shape, x.scale, x.zero_point), block,
                                                    constant(0 * amounts.data)], output, options)
        expected, = oracle.reference_outputs(padded, [around]).values()
        result, = evaluate(graph, graph.operators[0], {0: value})
        assert np.array_equal(result, expected.reshape(result.shape))


def test_resize_bilinear_beyond_the_reference():
    """Its rounded steps lead outside a small image that grows much; there the last element is repeated."""
    model = one_operator("RESIZE_BILINEAR", [Spec((1, 1, 2, 1)), constant([70, 700])], Spec((1, 70, 700, 1)),
                         ("ResizeBilinearOptions", {}))
    graph = tflite.parse(model)
    result, = evaluate(graph, graph.operators[0], {0: np.int8([[[[-100], [120]]]])})
    assert np.all(np.diff(result[0, :, :, 0].astype(int), axis=1) >= 0) and result[0, 0, 0] == -100
    assert np.all(result[0, :, 350:] == 120) and np.all(result == result[:, :1])


def test_tile():
    """TensorFlow Lite Micro has no TILE: numpy's."""
    rng = np.random.default_rng(6)
    for rank in range(1, 5):
        shape, times = rng.integers(1, 4, rank).tolist(), rng.integers(1, 4, rank)
        x = rng.integers(-128, 128, shape).astype(np.int8)
        for dtype in (np.int32, np.int64):
            graph = tflite.parse(one_operator("TILE", [Spec(shape), constant(times, dtype)],
                                              Spec((shape * times).tolist()), ("TileOptions", {})))
            result, = evaluate(graph, graph.operators[0], {0: x})
            assert result.dtype == np.int8 and np.array_equal(result, np.tile(x, times))


def test_several_outputs_in_a_session():
    """What SPLIT and UNPACK give is there for other operators, for the outputs, and for the check."""
    image, half, row = (Spec(shape, 0.05, 3) for shape in ((1, 2, 4, 6), (1, 2, 4, 3), (1, 4, 3)))
    tensors = [image, constant(3), half, half, half, row, row, row]
    operators = [("SPLIT", [1, 0], [2, 3], ("SplitOptions", {"numSplits": 2})),
                 ("RELU", [3], [4], None),
                 ("UNPACK", [4], [5, 6], ("UnpackOptions", {"axis": 1, "num": 2})),
                 ("MAXIMUM", [5, 6], [7], ("MaximumMinimumOptions", {}))]
    content = serialise(model(tensors, operators, [0], [2, 7]))
    graph = tflite.parse(content)
    for name in ("nano", "pico"):  # on the chip, and, where that has no vector unit, on the host
        config = PRESETS[name]
        program, check = compile_graph(graph, config), ExactCheck(graph, content)
        results = run_model(graph, program, ModelDevice(config), random_inputs(graph, 2), check)
        assert check.mismatches == [] and results[0].outputs.keys() == {2, 7}
    values = {0: np.arange(48, dtype=np.int8).reshape(1, 2, 4, 6)}
    first, second = evaluate(graph, graph.operators[0], values)
    assert np.array_equal(first, values[0][..., :3]) and np.array_equal(second, values[0][..., 3:])


FUNCTIONS = {"EXP": (("ExpOptions", {}), math.exp),
             "GELU": (("GeluOptions", {}), lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2),
             "GELU, approximate": (("GeluOptions", {"approximate": True}), lambda v: v / 2 * (
                 1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v ** 3))))}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_the_reference_lacks(name):
    """Not in TensorFlow Lite Micro: the definition in TensorFlow Lite is the function, rounded."""
    options, function = FUNCTIONS[name]
    for scale, zero_point, scale_out, zero_out in ((0.03, 5, 0.1, -128), (0.001, -128, 0.01, 0), (0.07, 100, 2, -20)):
        model = one_operator(name.partition(",")[0], [Spec((256,), scale, zero_point)],
                             Spec((256,), scale_out, zero_out), options)
        graph = tflite.parse(model)
        result, = evaluate(graph, graph.operators[0], {0: EVERY_INT8})
        exact = np.vectorize(function)(scale * (EVERY_INT8.astype(float) - zero_point)) / scale_out + zero_out
        # float32 may tip what lies between two numbers, so allow half and a little.
        assert np.all(np.abs(result - np.clip(exact, -128, 127)) < 0.5001)


def test_convolution_wraps_like_the_accumulator():
    """The bias may bring the sum beyond 32 bits: the reference and the chip wrap."""
    model = one_operator("CONV_2D", [Spec((1, 1, 1, 2), 0.5, 0), constant([[[[127, 127]]]], np.int8, scale=[0.5]),
                                     constant([2**31 - 100])], Spec((1, 1, 1, 1), 2.0 ** 24, 0),
                         ("Conv2DOptions", {"strideH": 1, "strideW": 1}))
    graph = tflite.parse(model)
    for value, expected in ((-128, 32), (127, -32)):
        x = np.full((1, 1, 1, 2), value, np.int8)
        assert differences(model, graph, [x]) == []
        assert evaluate(graph, graph.operators[0], {0: x})[0].item() == expected
