"""Operators that contract: with weights, or one tensor with another."""

import numpy as np

from ..graph import windows
from ..quantisation import convolution_factors, multiply_factor

__all__ = ["batch_matmul", "conv_2d", "depthwise_conv_2d", "fully_connected", "transpose_conv"]

# Products are summed in float64, which is exact below 2**53 and has the fast matrix product.


def conv_2d(node, x, weights, bias=None):
    """Convolution; with fewer channels in the weights than in the input, in groups."""
    outputs, height, width, depth = weights.shape
    groups = x.shape[3] // depth
    grouped = weights.astype(np.float64).reshape(groups, outputs // groups, height, width, depth)
    total = 0
    for row, column, seen in node.taps(node.centred(0, x), (height, width), 0):
        vectors = seen.reshape(-1, groups, depth).swapaxes(0, 1).astype(np.float64)
        total = total + vectors @ grouped[:, :, row, column].swapaxes(1, 2)
    accumulated = total.swapaxes(0, 1).reshape(*seen.shape[:3], outputs).astype(np.int64)
    if bias is not None:
        accumulated += bias
    return node.finish(accumulated, convolution_factors(node.inputs[0], node.inputs[1], node.output))


def depthwise_conv_2d(node, x, weights, bias=None):
    """Convolution with a group for each channel; output channel = input channel * depth multiplier + k."""
    return conv_2d(node, x, weights.transpose(3, 1, 2, 0), bias)


def fully_connected(node, x, weights, bias=None):
    """Product with a matrix [outputs, inputs]."""
    rows = node.centred(0, x).reshape(-1, weights.shape[1]).astype(np.float64)
    offset = node.inputs[1].zero_point[0] if len(node.inputs[1].zero_point) == 1 else 0
    accumulated = (rows @ (weights.astype(np.float64) - offset).T).astype(np.int64)
    if bias is not None:
        accumulated += bias
    factors = convolution_factors(node.inputs[0], node.inputs[1], node.output)
    return node.finish(accumulated, factors).reshape(node.output.shape)


def batch_matmul(node, a, b):
    """Products of matrices, the last two dimensions; the dimensions before them broadcast."""
    a, b = node.centred(0, a).astype(np.float64), node.centred(1, b).astype(np.float64)
    a = a.swapaxes(-1, -2) if node.options["adj_x"] else a
    b = b.swapaxes(-1, -2) if node.options["adj_y"] else b
    return node.finish((a @ b).astype(np.int64), multiply_factor(*node.inputs, node.output))


def transpose_conv(node, _shape, weights, x, bias=None):
    """Each input element spreads the kernel, times its value, over the output."""
    batch, height, width, outputs = node.output.shape
    stride_h, stride_w = node.options["stride_h"], node.options["stride_w"]
    _, kernel_h, kernel_w, _ = weights.shape
    # The padding is that of the convolution in the other direction, from output to input.
    (_, top, _), (_, left, _) = windows((height, width), (kernel_h, kernel_w), node.options)
    values = node.centred(2, x).astype(np.float64)
    # At the end there may be outputs that no input reaches.
    spread = np.zeros((batch, (x.shape[1] - 1) * stride_h + max(kernel_h, top + height),
                       (x.shape[2] - 1) * stride_w + max(kernel_w, left + width), outputs))
    for row in range(kernel_h):
        for column in range(kernel_w):
            spread[:, row:row + (x.shape[1] - 1) * stride_h + 1:stride_h,
                   column:column + (x.shape[2] - 1) * stride_w + 1:stride_w] += values @ weights[:, row, column].T
    accumulated = spread[:, top:top + height, left:left + width].astype(np.int64)
    if bias is not None:
        accumulated += bias
    return node.finish(accumulated, convolution_factors(node.inputs[2], node.inputs[1], node.output))
