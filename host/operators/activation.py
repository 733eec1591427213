"""Operators on single elements: activation functions and changes of quantisation. They take an input of any shape."""

import math

import numpy as np
from systolith.sim.arithmetic import INT32_MAX, quantise_multiplier, rdbpot, requantise, round_half_away

from ..graph import activation_range
from ..quantisation import reals_of, rescale_factor
from .fixed_point import exponential, inverse_root, quotient, reciprocal

__all__ = ["abs_", "dequantize", "elu", "exp", "gelu", "hard_swish", "leaky_relu", "logistic", "lookup", "quantize",
           "relu", "relu6", "rsqrt", "rsqrt_factor", "tanh"]

#: RSQRT's roots have this many bits below the point.
_ROOT_FRACTION = 20


def quantize(node, x):
    """From float, or from another scale of int8 or uint8, to the output's scale."""
    if x.dtype == np.float32:
        values = round_half_away(np.clip(x / node.output.scale[0], -1e9, 1e9))
    else:
        values = requantise(node.centred(0, x), *quantise_multiplier(rescale_factor(node.inputs[0], node.output)))
    values = values + node.output.zero_point[0]
    return np.clip(values, 0, 255) if node.output.dtype == np.uint8 else node.clamp(values)


def dequantize(node, x):
    """To float."""
    return reals_of(x, node.inputs[0].scale[0], node.inputs[0].zero_point[0])


def abs_(node, x):
    """x without its sign."""
    return node.finish(np.abs(node.centred(0, x)), rescale_factor(node.inputs[0], node.output))


def relu(node, x):
    """max(x, 0)."""
    return node.finish(node.centred(0, x), rescale_factor(node.inputs[0], node.output), "RELU")


def relu6(node, x):
    """min(max(x, 0), 6). TensorFlow Lite Micro, unlike TensorFlow Lite, clamps without changing the scale."""
    source = node.inputs[0]
    return np.clip(x, *activation_range("RELU6", source.scale[0], source.zero_point[0]))


def leaky_relu(node, x):
    """x where it is positive, else x * alpha."""
    source, alpha = float(node.inputs[0].scale[0]), float(np.float32(node.options["alpha"]))
    values = node.centred(0, x)
    positive = requantise(values, *quantise_multiplier(rescale_factor(node.inputs[0], node.output)))
    negative = requantise(values, *quantise_multiplier(source * alpha / float(node.output.scale[0])))
    return node.clamp(np.where(values >= 0, positive, negative) + node.output.zero_point[0])


def _sixteen_bit_multiplier(real):
    """Multiplier in units of 2**-15, and shift."""
    multiplier, shift = (int(value) for value in quantise_multiplier(float(real)))
    return min((multiplier + (1 << 15)) >> 16, 32767), shift


def _saturate16(values):
    return np.clip(values, -32768, 32767)


def hard_swish(node, x):
    """x * relu6(x + 3) / 6, in 16-bit fixed point."""
    fine_scale = np.float32(1 / 128) * node.inputs[0].scale[0]
    multiplier_out, shift_out = _sixteen_bit_multiplier(fine_scale / node.output.scale[0])
    multiplier, shift = _sixteen_bit_multiplier(fine_scale / (np.float32(3) / np.float32(32768)))

    def product(a, b):
        return _saturate16((a * b + (1 << 14)) >> 15)

    fine = node.centred(0, x) << 7
    gate = _saturate16(fine << max(shift - 1, 0))
    gate = product(gate, multiplier)
    gate = _saturate16(gate << 1) if shift > 0 else rdbpot(gate, -shift)
    gate = (gate + (1 << 15)) >> 1
    value = gate * product(fine, multiplier_out)
    unscaled = np.sign(value) * (np.abs(value) >> 15)  # this one product the reference truncates
    return node.clamp(rdbpot(unscaled, -shift_out) + node.output.zero_point[0])


def lookup(node, x):
    """Any function of one int8, given as its value for each. Not of TensorFlow Lite: ONNX models have it."""
    return np.array(node.options["table"], node.output.dtype)[x.view(np.uint8)]


def _by_function(node, x, function):
    """The function in float32, rounded to the output's scale."""
    values = function(node.inputs[0].scale[0] * node.centred(0, x).astype(np.float32))
    scaled = np.clip(values * (np.float32(1) / node.output.scale[0]), -1e9, 1e9)
    return node.clamp(round_half_away(scaled) + node.output.zero_point[0])


def _saturating(node, x, function, bits, low):
    """A function of Q4.27 to Q0.31, in units of 2**-bits, from -128 at -16 or below to 127 at 16 or above."""
    values = node.centred(0, x)
    multiplier, shift = (int(value) for value in quantise_multiplier(float(node.inputs[0].scale[0]) * (1 << 27)))
    radius = int(15 * (1 << 27) / 2.0 ** shift)
    result = np.clip(rdbpot(function(requantise(values, multiplier, shift)), 31 - bits) + low, -128, 127)
    return np.where(values <= -radius, -128, np.where(values >= radius, 127, result))


def _logistic(a):
    positive = reciprocal(exponential(-np.abs(a), 4))
    return np.where(a > 0, positive, np.where(a < 0, INT32_MAX - positive, 1 << 30))


def logistic(node, x):
    """1 / (1 + e**-x), in fixed point where the output has the scale that TensorFlow Lite gives it."""
    if (node.output.scale[0], node.output.zero_point[0]) == (1 / 256, -128):
        return _saturating(node, x, _logistic, 8, -128)
    return _by_function(node, x, lambda v: np.float32(1) / (np.float32(1) + np.exp(-v)))


def tanh(node, x):
    """Hyperbolic tangent, in fixed point where the output has the scale that TensorFlow Lite gives it."""
    if (node.output.scale[0], node.output.zero_point[0]) == (1 / 128, 0):
        # Of 2a, which is a with a bit more before its point.
        return _saturating(node, x, lambda a: np.sign(a) * quotient(exponential(-np.abs(a), 5)), 7, 0)
    return _by_function(node, x, np.tanh)


def exp(node, x):
    """e**x."""
    return _by_function(node, x, np.exp)


def gelu(node, x):
    """x times the probability that a normally distributed number is less; or TensorFlow's approximation of it."""
    def exact(v):
        return np.float32(0.5) * v * np.vectorize(math.erfc, otypes=[np.float32])(v * np.float32(-math.sqrt(0.5)))

    def approximate(v):
        inner = np.float32(math.sqrt(2 / math.pi)) * (v + np.float32(0.044715) * v * v * v)
        return np.float32(0.5) * v * (np.float32(1) + np.tanh(inner))

    return _by_function(node, x, approximate if node.options["approximate"] else exact)


def elu(node, x):
    """x where it is positive, else e**x - 1."""
    def function(v):
        # The reference's exponential is exact to float32's last bit, numpy's is not.
        power = np.exp(np.minimum(v, 0).astype(np.float64)).astype(np.float32)
        return np.where(v < 0, power - np.float32(1), v)

    return _by_function(node, x, function)


def rsqrt_factor(source, sink):
    """From the inverse root of units of tensor `source` to units of `sink`."""
    return 1 / (math.sqrt(float(source.scale[0])) * float(sink.scale[0]))


def rsqrt(node, x):
    """1 / sqrt(x). The greatest output for 0, and for negative x, where the reference refuses to compute."""
    values = node.centred(0, x)
    root, shift = inverse_root(values)
    root = requantise(1, root, shift + _ROOT_FRACTION)
    multiplier, shift = quantise_multiplier(rsqrt_factor(node.inputs[0], node.output))
    result = requantise(root, multiplier, shift - _ROOT_FRACTION) + node.output.zero_point[0]
    return np.where(values > 0, node.clamp(result), 127)
