"""Writes .tflite networks of several operators with random weights, whose activations use the range of int8."""

import numpy as np
from model_builder import Spec, constant, model, serialise

__all__ = ["Network"]


class Network:
    """A network that grows operator by operator; each method returns the number of its output tensor.

    Parameters
    ----------
    seed : int
    shape : of the input
    dtype : of the input
    """

    def __init__(self, seed, shape, dtype=np.int8):
        self._rng = np.random.default_rng(seed)
        self._tensors, self._operators = [], []
        self.input = self.tensor(shape, dtype=dtype)

    def serialise(self, *outputs):
        """The file's bytes."""
        return serialise(model(self._tensors, self._operators, [self.input], outputs))

    def tensor(self, shape, **more):
        """A tensor of about the range -2.5 to 2.5."""
        dtype = more.get("dtype", np.int8)
        zero = int(self._rng.integers(-20, 20)) + (128 if dtype == np.uint8 else 0)
        self._tensors.append(Spec(tuple(int(n) for n in shape), **{"scale": 0.02, "zero_point": zero, **more}))
        return len(self._tensors) - 1

    def values(self, shape):
        """A random constant of int8."""
        return self.tensor(shape, data=self._rng.integers(-128, 128, shape, np.int8))

    def constant(self, values):
        """An int32 constant."""
        self._tensors.append(constant(values))
        return len(self._tensors) - 1

    def add(self, kind, inputs, shape, options=None, **more):
        """Any operator."""
        output = self.tensor(shape, **more)
        self.operator(kind, inputs, [output], options)
        return output

    def operator(self, kind, inputs, outputs, options=None):
        """Any operator whose output tensors are there."""
        self._operators.append((kind, inputs, outputs, options))

    def shape(self, tensor):
        """Shape of a tensor."""
        return self._tensors[tensor].shape

    def zero_point(self, tensor):
        """Zero point of a tensor."""
        return self._tensors[tensor].zero_point

    def _weights(self, x, shape, axis, contraction):
        """Numbers of weights and bias that keep the variance of their input."""
        channels = shape[axis]
        scale = self._rng.uniform(0.6, 1.4, channels) / (70 * contraction ** 0.5)
        self._tensors.append(Spec(shape, scale, 0, data=self._rng.integers(-127, 128, shape, np.int8), axis=axis))
        bias = self._rng.integers(-2000, 2000, channels, np.int32)
        self._tensors.append(Spec(bias.shape, scale * self._tensors[x].scale, 0, np.int32, bias))
        return len(self._tensors) - 2, len(self._tensors) - 1

    def _slide(self, x, kernel, stride, valid):
        """Height and width of what comes of a window; its sizes and strides are numbers or pairs of them."""
        kernels, strides = np.broadcast_to(kernel, 2).tolist(), np.broadcast_to(stride, 2).tolist()
        return tuple((n - k) // s + 1 if valid else -(-n // s) for n, k, s in zip(self.shape(x)[1:3], kernels, strides))

    def convolution(self, x, channels, kernel=3, stride=1, valid=False, relu=False, dilation=1, groups=1):
        """CONV_2D; the kernel's size is a number or a pair."""
        depth = self.shape(x)[3] // groups
        height, width = np.broadcast_to(kernel, 2).tolist()
        weights = self._weights(x, (channels, height, width, depth), 0, height * width * depth)
        image = self._slide(x, ((height - 1) * dilation + 1, (width - 1) * dilation + 1), stride, valid)
        return self.add("CONV_2D", [x, *weights], (self.shape(x)[0], *image, channels), ("Conv2DOptions", {
            "padding": int(valid), "strideH": stride, "strideW": stride, "fusedActivationFunction": int(relu),
            "dilationHFactor": dilation, "dilationWFactor": dilation}))

    def depthwise(self, x, kernel=3, stride=1, valid=False, dilation=1):
        """DEPTHWISE_CONV_2D; what describes its window are numbers or pairs of them."""
        depth = self.shape(x)[3]
        (kh, kw), (sy, sx), (dy, dx) = (np.broadcast_to(n, 2).tolist() for n in (kernel, stride, dilation))
        weights = self._weights(x, (1, kh, kw, depth), 3, kh * kw)
        image = self._slide(x, ((kh - 1) * dy + 1, (kw - 1) * dx + 1), stride, valid)
        return self.add("DEPTHWISE_CONV_2D", [x, *weights], (self.shape(x)[0], *image, depth), (
            "DepthwiseConv2DOptions", {"padding": int(valid), "strideH": sy, "strideW": sx, "depthMultiplier": 1,
                                       "dilationHFactor": dy, "dilationWFactor": dx}))

    def fully_connected(self, x, outputs):
        """FULLY_CONNECTED."""
        size = int(np.prod(self.shape(x)))
        weights = self._weights(x, (outputs, size), 0, size)
        return self.add("FULLY_CONNECTED", [x, *weights], (1, outputs), ("FullyConnectedOptions", {}))

    def transpose_convolution(self, x, channels, kernel=(3, 3), stride=(2, 2), valid=False):
        """TRANSPOSE_CONV."""
        *sizes, depth = self.shape(x)[1:]
        image = [n * s + max(0, k - s) * valid for n, k, s in zip(sizes, kernel, stride)]
        shape = self.constant([1, *image, channels])
        weights, bias = self._weights(x, (channels, *kernel, depth), 0, kernel[0] * kernel[1] * depth)
        return self.add("TRANSPOSE_CONV", [shape, weights, x, bias], (1, *image, channels), (
            "TransposeConvOptions", {"padding": int(valid), "strideH": stride[0], "strideW": stride[1]}))

    def sum(self, a, b):
        """ADD."""
        return self.add("ADD", [a, b], np.broadcast_shapes(self.shape(a), self.shape(b)), ("AddOptions", {}))

    def pool(self, kind, x, kernel, stride, valid=True):
        """MAX_POOL_2D or AVERAGE_POOL_2D."""
        shape = 1, *self._slide(x, kernel, stride, valid), self.shape(x)[3]
        options = {"padding": int(valid), "strideH": stride, "strideW": stride, "filterHeight": kernel,
                   "filterWidth": kernel}
        return self.add(kind, [x], shape, ("Pool2DOptions", options), zero_point=self.zero_point(x))

    def mean(self, x):
        """MEAN over the pixels."""
        return self.add("MEAN", [x, self.constant([1, 2])], (1, self.shape(x)[3]), ("ReducerOptions", {}))
