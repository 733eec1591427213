"""The real factors by which operators rescale, to the last bit: in float64, as the reference has them.

Compiler and host operators turn them into a multiplier and a shift with `systolith.sim.arithmetic.quantise_multiplier`.

Source of the idea: the Prepare functions of TensorFlow Lite Micro's kernels.
"""

import numpy as np

__all__ = ["ADD_LEFT_SHIFT", "LEVELS", "add_factors", "convolution_factors", "multiply_factor", "onnx_integers",
           "reals_of", "rescale_factor", "same_quantisation"]

#: All int8 in the order of a function table, which is that of their bit patterns.
LEVELS = np.arange(256, dtype=np.uint8).view(np.int8)

#: ADD and SUB compute with this many bits below the inputs' units.
ADD_LEFT_SHIFT = 20


def same_quantisation(*tensors):
    """Whether the elements of tensors mean the same numbers: one scale each and these equal, or none in any."""
    return len({(tuple(tensor.scale), tuple(tensor.zero_point)) for tensor in tensors}) == 1


def reals_of(integers, scale, zero_point):
    """What integers of a whole tensor's quantisation stand for: float32."""
    return (integers.astype(np.int32) - int(zero_point)).astype(np.float32) * np.float32(scale)


def onnx_integers(numbers, scale, zero_point):
    """Reals as int8, as ONNX's QuantizeLinear rounds them: halves to even."""
    with np.errstate(over="ignore"):
        units = np.rint(numbers / np.float32(scale)) + int(zero_point)
    # What is no number becomes the least one, as in ONNX Runtime.
    return np.nan_to_num(np.clip(units, -128, 127), nan=-128).astype(np.int8)


def rescale_factor(source, sink):
    """From units of tensor `source` to units of `sink`: MEAN, SUM, RELU, QUANTIZE of integers."""
    return float(source.scale[0]) / float(sink.scale[0])


def convolution_factors(x, weights, output):
    """From an accumulator of a convolution or FULLY_CONNECTED to the output: float64, one, or one a channel."""
    return float(x.scale[0]) * weights.scale.astype(np.float64) / float(output.scale[0])


def add_factors(a, b, output):
    """ADD and SUB: factors of both inputs, each shifted left by ADD_LEFT_SHIFT, to a common unit; and of their sum."""
    scale_a, scale_b = float(a.scale[0]), float(b.scale[0])
    common = 2 * max(scale_a, scale_b)
    return scale_a / common, scale_b / common, common / ((1 << ADD_LEFT_SHIFT) * float(output.scale[0]))


def multiply_factor(a, b, output):
    """From the product of both inputs of MUL or BATCH_MATMUL to the output."""
    return float(a.scale[0]) * float(b.scale[0]) / float(output.scale[0])
