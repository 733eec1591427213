"""Rules of `checks` for convolutions, matrix products and pooling: the shape that the output must have."""

import math

import numpy as np

from ..graph import windows
from .need import broadcast_shape, constant, need, rank, rescale

__all__ = ["batch_matmul", "conv_2d", "depthwise_conv_2d", "fully_connected", "pooled", "transpose_conv"]


def _weights(tensor, dimensions, bias, outputs_axis, x, output):
    rank(tensor, dimensions)
    need(tensor.data is not None and tensor.dtype == np.int8,
         f"needs its weights, tensor {tensor.index}, to be an int8 constant")
    outputs = tensor.shape[outputs_axis]
    need(len(tensor.scale) in (1, outputs),
         f"has weights with {len(tensor.scale)} scales, expected 1 or {outputs}")
    rescale(x.scale[0] * tensor.scale.max(), output)
    if bias:
        constant(bias[0], (outputs,))
    return outputs


def _slid(options, shape, kernel, channels):
    """Output shape of a sliding window."""
    (height, *_), (width, *_) = windows(shape[1:3], kernel, options)
    return shape[0], height, width, channels


def _symmetric(weights):
    need(not weights.zero_point.any(), f"has weights with zero point {weights.zero_point.max()}, expected 0")


def conv_2d(options, output, x, weights, *bias):
    outputs = _weights(weights, 4, bias, 0, x, output)
    _symmetric(weights)
    rank(x, 4)
    groups, rest = divmod(x.shape[3], weights.shape[3])
    need(rest == 0 and outputs % groups == 0,
         f"has weights of shape {list(weights.shape)}, which do not fit {x.shape[3]} input channels")
    return _slid(options, x.shape, weights.shape[1:3], outputs)


def depthwise_conv_2d(options, output, x, weights, *bias):
    outputs = _weights(weights, 4, bias, 3, x, output)
    _symmetric(weights)
    rank(x, 4)
    need(weights.shape[0] == 1 and outputs == x.shape[3] * options["depth_multiplier"],
         f"has weights of shape {list(weights.shape)}, which do not fit {x.shape[3]} input channels "
          f"and depth multiplier {options['depth_multiplier']}")
    return _slid(options, x.shape, weights.shape[1:3], outputs)


def transpose_conv(options, output, shape, weights, x, *bias):
    outputs = _weights(weights, 4, bias, 0, x, output)
    _symmetric(weights)
    shape = constant(shape, (4,)).tolist()
    need(_slid(options, shape, weights.shape[1:3], weights.shape[3]) == x.shape,
         f"has an input of shape {list(x.shape)}, which does not fit its output and weights")
    need(shape[3] == outputs, f"has {shape[3]} output channels, expected {outputs}")
    return shape


def fully_connected(options, output, x, weights, *bias):
    outputs = _weights(weights, 2, bias, 0, x, output)
    need(options["weights_format"] == 0, "has shuffled weights, expected the default format")
    size = math.prod(x.shape)
    vectors, rest = divmod(size, weights.shape[1])
    shape = output.shape
    if not output.sized and math.prod(shape) != vectors * outputs:
        shape = (*x.shape[:-1], outputs) if options.get("keep_num_dims") else (vectors, outputs)
    need(rest == 0 and math.prod(shape) == vectors * outputs,
         f"has weights of shape {list(weights.shape)}, which do not fit its input and output")
    return *shape[:-1], outputs


def pooled(options, _output, x):
    rank(x, 4)
    return _slid(options, x.shape, (options["filter_h"], options["filter_w"]), x.shape[3])


def batch_matmul(options, output, a, b):
    need(len(a.shape) >= 2 and len(b.shape) >= 2, "multiplies tensors of less than two dimensions")
    rescale(a.scale[0] * b.scale[0], output)
    (rows, depth), (common, columns) = a.shape[-2:], b.shape[-2:]
    if options["adj_x"]:
        rows, depth = depth, rows
    if options["adj_y"]:
        common, columns = columns, common
    need(depth == common, f"has matrices of shapes {list(a.shape[-2:])} and {list(b.shape[-2:])}, which do not fit")
    return *broadcast_shape(a.shape[:-2], b.shape[:-2]), rows, columns
