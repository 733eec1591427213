"""Each operator of the host against TensorFlow Lite Micro, all elements equal."""

import math
from pathlib import Path

import numpy as np
import pytest
from model_builder import Spec, constant, one_operator
from systolith.host import oracle, tflite
from systolith.host.graph import window
from systolith.host.operators import SUPPORTED, evaluate

EVERY_INT8 = np.arange(-128, 128, dtype=np.int8)


def differences(model, graph, inputs):
    """(operator, elements that differ) wherever an operator, given the oracle's inputs, differs from the oracle."""
    expected = oracle.reference_outputs(model, inputs)
    values = dict(zip(graph.inputs, inputs)) | expected
    wrong = []
    for operator in graph.operators:
        result, = evaluate(graph, operator, values)
        want = expected[operator.outputs[0]].reshape(graph.tensors[operator.outputs[0]].shape)
        assert result.shape == want.shape and result.dtype == want.dtype
        if not np.array_equal(result, want):
            wrong.append((operator.kind, np.count_nonzero(result != want)))
    return wrong


def stimulus(rng, graph, index):
    """Random input, or each int8 once where it fits; floats reach beyond what int8 can hold."""
    tensor = graph.tensors[index]
    if tensor.dtype == np.float32:
        return rng.normal(0, 10, tensor.shape).astype(np.float32)
    if math.prod(tensor.shape) == EVERY_INT8.size:
        return EVERY_INT8.reshape(tensor.shape)
    return rng.integers(-128, 128, tensor.shape).astype(np.int8)


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


class Random:
    """Random single-operator models: sizes, scales, zero points, options."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def size(self, low=1, high=8, count=None):
        sizes = self.rng.integers(low, high + 1, count)
        return int(sizes) if count is None else tuple(sizes.tolist())

    def scale(self, low=-7, high=-1):
        return float(np.float32(2 ** self.rng.uniform(low, high)))

    def zero(self):
        return int(self.rng.integers(-128, 128))

    def spec(self, *shape, like=None):
        return Spec(shape, self.scale(), self.zero()) if like is None else Spec(shape, like.scale, like.zero_point)

    def weights(self, *shape, axis=0):
        values = self.rng.integers(-127, 128, shape)
        return constant(values, np.int8, scale=[self.scale() for _ in range(shape[axis])], axis=axis)

    def bias(self, count):
        """A bias, or none."""
        return [constant(self.rng.integers(-3000, 3000, count))] if self.rng.integers(2) else []

    def slide(self, dilate):
        """A window that fits at least once: image size, kernel, output size, options."""
        while True:
            image, kernel, strides = self.size(count=2), self.size(1, 4, 2), self.size(1, 3, 2)
            dilations = self.size(1, 2, 2) if dilate else (1, 1)
            padding = self.size(0, 1)
            out = tuple(window(*each, ("SAME", "VALID")[padding])[0]
                        for each in zip(image, kernel, strides, dilations))
            if min(out) > 0:
                options = {"padding": padding, "strideH": strides[0], "strideW": strides[1],
                           "fusedActivationFunction": self.size(0, 3)}
                if dilate:
                    options |= {"dilationHFactor": dilations[0], "dilationWFactor": dilations[1]}
                return image, kernel, out, options

    def CONV_2D(self):
        image, kernel, out, options = self.slide(True)
        groups, depth, outputs = self.size(1, 2), self.size(1, 4), self.size(1, 6)
        inputs = [self.spec(1, *image, groups * depth), self.weights(groups * outputs, *kernel, depth),
                  *self.bias(groups * outputs)]
        return inputs, self.spec(1, *out, groups * outputs), ("Conv2DOptions", options)

    def DEPTHWISE_CONV_2D(self):
        image, kernel, out, options = self.slide(True)
        channels, multiplier = self.size(1, 5), self.size(1, 3)
        outputs = channels * multiplier
        inputs = [self.spec(1, *image, channels), self.weights(1, *kernel, outputs, axis=3), *self.bias(outputs)]
        options = {**options, "depthMultiplier": multiplier}
        return inputs, self.spec(1, *out, outputs), ("DepthwiseConv2DOptions", options)

    def TRANSPOSE_CONV(self):
        image, kernel, out, options = self.slide(False)
        depth, outputs = self.size(1, 4), self.size(1, 4)
        inputs = [constant([1, *image, outputs]), self.weights(outputs, *kernel, depth), self.spec(1, *out, depth),
                  *self.bias(outputs)]
        return inputs, self.spec(1, *image, outputs), ("TransposeConvOptions", options)

    def FULLY_CONNECTED(self):
        batch, depth, outputs = self.size(1, 2), self.size(1, 30), self.size(2, 20)
        if self.size(0, 1):
            inputs = [self.spec(batch, depth), self.weights(outputs, depth), *self.bias(outputs)]
        else:
            values = self.rng.integers(-127, 128, (outputs, depth))
            inputs = [self.spec(batch, depth),
                      constant(values, np.int8, scale=self.scale(), zero_point=self.zero() * self.size(0, 1))]
        options = {"fusedActivationFunction": self.size(0, 3)}
        return inputs, self.spec(batch, outputs), ("FullyConnectedOptions", options)

    def _two(self, same=False):
        whole = self.size(1, 4, 4)
        part = tuple(size if keep else 1 for size, keep in zip(whole, self.rng.integers(0, 2, 4)))[self.size(0, 3):]
        a = self.spec(*whole)
        b = self.spec(*part, like=a if same else None)
        output = Spec(whole, a.scale, a.zero_point) if same else Spec(whole, self.scale(-4, 1), self.zero())
        return ([a, b] if self.size(0, 1) else [b, a]), output

    def _arithmetic(self, options):
        return *self._two(), (options, {"fusedActivationFunction": self.size(0, 3)})

    def ADD(self):
        return self._arithmetic("AddOptions")

    def SUB(self):
        return self._arithmetic("SubOptions")

    def MUL(self):
        return self._arithmetic("MulOptions")

    def MAXIMUM(self):
        return *self._two(same=True), ("MaximumMinimumOptions", {})

    MINIMUM = MAXIMUM

    def AVERAGE_POOL_2D(self):
        image, kernel, out, options = self.slide(False)
        channels = self.size()
        x = self.spec(1, *image, channels)
        options = {**options, "filterHeight": kernel[0], "filterWidth": kernel[1]}
        return [x], self.spec(1, *out, channels, like=x), ("Pool2DOptions", options)

    MAX_POOL_2D = AVERAGE_POOL_2D

    def MEAN(self):
        shape, keep = self.size(1, 6, 4), bool(self.size(0, 1))
        axes = self.rng.choice(4, self.size(1, 2), replace=False).tolist()
        reduced = tuple(1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes)
        x = self.spec(*shape)
        output = self.spec(*reduced, like=x if self.size(0, 1) else None)
        return [x, constant(axes)], output, ("ReducerOptions", {"keepDims": keep})

    SUM = MEAN

    def RELU(self):
        return [self.spec(256)], self.spec(256), None

    RELU6 = RELU

    def LEAKY_RELU(self):
        return [self.spec(256)], self.spec(256), ("LeakyReluOptions", {"alpha": float(self.rng.uniform(-0.5, 2))})

    def HARD_SWISH(self):
        x = self.spec(256)
        return [x], Spec((256,), float(np.float32(x.scale * 2 ** self.rng.uniform(-6.5, 1))), self.zero()), None

    def LOGISTIC(self):
        return [self.spec(256)], Spec((256,), 1 / 256, -128), None

    def TANH(self):
        return [self.spec(256)], Spec((256,), 1 / 128, 0), None

    def SOFTMAX(self):
        shape = self.size(1, 3), self.size(1, 60)
        x = Spec(shape, self.scale(-9, 1), self.zero())
        return [x], Spec(shape, 1 / 256, -128), ("SoftmaxOptions", {"beta": float(self.rng.choice([0.3, 1, 2]))})

    def QUANTIZE(self):
        x = self.spec(256) if self.size(0, 1) else Spec((256,), None, dtype=np.float32)
        return [x], self.spec(256), ("QuantizeOptions", {})

    def DEQUANTIZE(self):
        return [self.spec(256)], Spec((256,), None, dtype=np.float32), ("DequantizeOptions", {})

    def PAD(self):
        x, amounts = self.spec(*self.size(1, 4, 4)), self.rng.integers(0, 3, (4, 2))
        shape = (np.array(x.shape) + amounts.sum(axis=1)).tolist()
        return [x, constant(amounts)], self.spec(*shape, like=x), ("PadOptions", {})

    def PADV2(self):
        (x, amounts), output, _ = self.PAD()
        fill = constant(self.zero(), np.int8, scale=x.scale, zero_point=x.zero_point)
        return [x, amounts, fill], output, ("PadV2Options", {})

    def CONCATENATION(self):
        axis, first = self.size(-4, 3), self.spec(*self.size(1, 4, 4))
        parts = [first]
        for _ in range(self.size(0, 2)):
            shape = list(first.shape)
            shape[axis] = self.size(1, 4)
            parts.append(self.spec(*shape, like=first))
        shape = list(first.shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return parts, self.spec(*shape, like=first), ("ConcatenationOptions", {"axis": axis})

    def TRANSPOSE(self):
        x, order = self.spec(*self.size(1, 5, 4)), self.rng.permutation(4)
        return [x, constant(order)], self.spec(*(x.shape[axis] for axis in order), like=x), ("TransposeOptions", {})

    def RESIZE_NEAREST_NEIGHBOR(self):
        x, size = self.spec(1, *self.size(1, 11, 2), 3), self.size(1, 12, 2)
        options = dict(zip(("alignCorners", "halfPixelCenters"),
                           [(False, False), (True, False), (False, True)][self.size(0, 2)]))
        return [x, constant(size)], self.spec(1, *size, 3, like=x), ("ResizeNearestNeighborOptions", options)

    def STRIDED_SLICE(self):
        x = self.spec(*self.size(2, 7, 4))
        begin, end, strides, shape = [], [], [], []
        begin_mask, end_mask, shrink_mask = self.size(0, 15), self.size(0, 15), self.size(0, 15) & self.size(0, 15)
        for axis, size in enumerate(x.shape):
            first, step = self.size(0, size - 1), self.size(1, 2)
            last = self.size(first + 1, size + 2)
            if self.size(0, 1):  # the same from the end, and backwards
                first, last, step = size - 1 - first, -1 - last, -step
            if shrink_mask >> axis & 1:
                begin_mask, end_mask = begin_mask & ~(1 << axis), end_mask & ~(1 << axis)
                last, step = first + 1, 1
            else:
                shape.append(len(range(size)[None if begin_mask >> axis & 1 else first:
                                             None if end_mask >> axis & 1 else last:step]))
            begin.append(first)
            end.append(last)
            strides.append(step)
        options = {"beginMask": begin_mask, "endMask": end_mask, "shrinkAxisMask": shrink_mask}
        return ([x, constant(begin), constant(end), constant(strides)], self.spec(*shape, like=x),
                ("StridedSliceOptions", options))

    def RESHAPE(self):
        x = self.spec(*self.size(1, 5, 3))
        return [x, constant([math.prod(x.shape)])], self.spec(math.prod(x.shape), like=x), None

    def EXPAND_DIMS(self):
        x = self.spec(*self.size(1, 5, 2))
        return [x, constant([1])], self.spec(x.shape[0], 1, x.shape[1], like=x), ("ExpandDimsOptions", {})

    def SQUEEZE(self):
        x = self.spec(self.size(), 1, self.size())
        return [x], self.spec(x.shape[0], x.shape[2], like=x), ("SqueezeOptions", {"squeezeDims": [1]})


@pytest.mark.parametrize("kind", sorted(SUPPORTED - {"EXP"}))
def test_random_models(kind):
    random = Random(sum(kind.encode()))
    for _ in range(25):
        model = one_operator(kind, *getattr(random, kind)())
        graph = tflite.parse(model)
        inputs = [stimulus(random.rng, graph, index) for index in graph.inputs]
        assert differences(model, graph, inputs) == [], graph.tensors


def test_exp():
    """TensorFlow Lite Micro has no int8 EXP: the definition in TensorFlow Lite is the exponential, rounded."""
    for scale, zero_point, scale_out, zero_out in ((0.03, 5, 0.1, -128), (0.001, -128, 0.01, 0), (0.07, 100, 2, -20)):
        model = one_operator("EXP", [Spec((256,), scale, zero_point)], Spec((256,), scale_out, zero_out),
                             ("ExpOptions", {}))
        graph = tflite.parse(model)
        result, = evaluate(graph, graph.operators[0], {0: EVERY_INT8})
        exact = np.exp(scale * (EVERY_INT8.astype(float) - zero_point)) / scale_out + zero_out
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
