"""Convolutions and matrix products, and what becomes one: normalisation by channels."""

import math
from dataclasses import replace

import numpy as np

from .result import Constant, Pending, as_image, canonical, else_floats, need, own, reals

__all__ = ["batch_normalization", "conv", "conv_transpose", "gemm", "matmul", "window"]


def window(node, x, kernel):
    """Options of a sliding window over an image, and whether all its padding is what `pads` says."""
    need(list(node.take("kernel_shape", kernel)) == list(kernel), "has a kernel_shape that its weights do not have")
    strides, dilations = node.take("strides", [1, 1]), node.take("dilations", [1, 1])
    pads, auto_pad = node.take("pads", [0, 0, 0, 0]), node.take("auto_pad", b"NOTSET").decode()
    node.take("ceil_mode", 0)
    options, declared = {"padding": "EXPLICIT"}, True
    for axis, side, before, after in ((0, "h", "top", "bottom"), (1, "w", "left", "right")):
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        reach = (node.shape[2 + axis] - 1) * strides[axis] + extent - x.shape[1 + axis]
        missing = max(0, reach)
        first = {"NOTSET": pads[axis], "VALID": 0, "SAME_UPPER": missing // 2, "SAME_LOWER": -(-missing // 2)}[auto_pad]
        options |= {f"stride_{side}": strides[axis], f"dilation_{side}": dilations[axis], f"pad_{before}": first,
                    f"pad_{after}": max(0, reach - first)}
        declared &= auto_pad != "NOTSET" or reach - first <= pads[2 + axis]
    return options, declared


def _bias(builder, node, x, weights, outputs):
    """The third input, if there is one, as a list of one int32 constant in units of the sums."""
    if node.optional(2) is None:
        return []
    values = reals(node.constant(2, "a bias"))
    need(values.size == 1 or values.shape[-1] == values.size == outputs,
         f"has a bias of shape {list(values.shape)}, expected a number for each of {outputs} outputs")
    values = np.broadcast_to(values.reshape(-1), outputs)
    return [_sums(builder, node.names[2], values, float(x.scale[0]) * weights.scale.astype(np.float64))]


def _sums(builder, name, values, units):
    """Reals as an int32 constant in the units of sums."""
    values = np.rint(values / units)
    else_floats(np.all(np.abs(values) < 1 << 31), "has a bias that leaves 32 bits")
    return builder.constant(name, values.astype(np.int32))


def conv(builder, node):
    """A convolution over an image or a sequence, which is an image of height 1; depthwise with a group a channel."""
    view, x, weights, group = node.over_images(), node.image(builder), node.weights(0), node.take("group", 1)
    weights = replace(weights, data=weights.data.reshape(as_image(weights.data.shape)))
    outputs, depth, *kernel = weights.data.shape
    options, _ = window(node, x, kernel)
    kind, order = "CONV_2D", (0, 2, 3, 1)
    if depth == 1 and group == x.shape[3] > 1:
        kind, order = "DEPTHWISE_CONV_2D", (1, 2, 3, 0)
        options["depth_multiplier"] = outputs // group
    stored = builder.channel_constant(node.names[1], weights.data.transpose(order), weights.scale, weights.zero_point,
                                      order.index(0))
    return Pending(builder.subject, kind, [x, stored, *_bias(builder, node, x, weights, outputs)], node.shape, options,
                   view=view)


def conv_transpose(builder, node):
    """A transposed convolution; of several groups, one with zeros between them."""
    view, x, weights, group = node.over_images(), node.image(builder), node.weights(1), node.take("group", 1)
    weights = replace(weights, data=weights.data.reshape(as_image(weights.data.shape)))
    inputs, depth, *kernel = weights.data.shape
    else_floats(group == 1 or len(weights.scale) == 1,
                f"has {group} groups and a scale for each channel, expected one scale")
    else_floats(not node.take("output_shape", []), "has an output_shape, expected pads and output_padding")
    else_floats(node.take("auto_pad", b"NOTSET") == b"NOTSET", "has auto_pad, expected pads")
    else_floats(node.take("dilations", [1, 1]) == [1, 1],
                "is dilated, expected a transposed convolution without dilation")
    need(list(node.take("kernel_shape", kernel)) == kernel, "has a kernel_shape that its weights do not have")
    (stride_h, stride_w), pads = node.take("strides", [1, 1]), node.take("pads", [0, 0, 0, 0])
    more = node.take("output_padding", [0, 0])
    else_floats(more[0] < stride_h and more[1] < stride_w, "has an output_padding not less than its stride")
    else_floats(max(pads[0], pads[2]) < kernel[0] and max(pads[1], pads[3]) < kernel[1],
                "has pads of a whole kernel or more")
    data = np.zeros((inputs, group * depth, *kernel), np.int8)
    for index in range(group):
        own_inputs = slice(index * inputs // group, (index + 1) * inputs // group)
        data[own_inputs, index * depth:(index + 1) * depth] = weights.data[own_inputs]
    stored = builder.channel_constant(node.names[1], data.transpose(1, 2, 3, 0), weights.scale, weights.zero_point, 0)
    shape = builder.integers(f"{node.output} shape", [node.shape[axis] for axis in canonical(4)])
    options = {"padding": "EXPLICIT", "stride_h": stride_h, "stride_w": stride_w, "pad_top": pads[0],
               "pad_left": pads[1], "pad_bottom": pads[2], "pad_right": pads[3]}
    bias = _bias(builder, node, x, weights, group * depth)
    return Pending(builder.subject, "TRANSPOSE_CONV", [shape, stored, x, *bias], node.shape, options, view=view)


def gemm(builder, node):
    """Product with a constant matrix, and a bias."""
    for name, only in (("alpha", 1), ("beta", 1), ("transA", 0)):
        value = node.take(name, only)
        else_floats(value == only, f"has {name} {value}, expected {only}")
    return _product(builder, node, node.take("transB", 0))


def matmul(builder, node):
    """Product with a constant matrix, or of two computed tensors."""
    if isinstance(node.inputs[1], Constant):
        return _product(builder, node, False)
    values = [node.value(builder, index) for index in range(2)]
    else_floats(min(len(value.shape) for value in values) >= 2, "multiplies a vector, expected matrices")
    # In ONNX's order: the last two dimensions are the matrices.
    a, b = (builder.stored(value, tuple(range(len(value.shape)))) for value in values)
    return Pending(builder.subject, "BATCH_MATMUL", [a, b], node.shape, {"adj_x": False, "adj_y": False},
                   order=tuple(range(len(node.shape))))


def _product(builder, node, transposed):
    """Product with a constant matrix, [outputs, inputs] if transposed."""
    value, weights = node.value(builder, 0), node.weights(0 if transposed else 1)
    else_floats(weights.data.ndim == 2, f"has weights of {weights.data.ndim} dimensions, expected 2")
    matrix = weights.data if transposed else weights.data.T
    if math.prod(value.shape) == matrix.shape[1]:
        # One vector: its elements may lie in any order if the weights do, too.
        x, matrix = value.tensor, matrix[:, value.elements()]
    else:
        x = builder.stored(value, tuple(range(len(value.shape))))
    stored = builder.channel_constant(node.names[1], matrix, weights.scale, weights.zero_point, 0)
    return Pending(builder.subject, "FULLY_CONNECTED", [x, stored, *_bias(builder, node, x, weights, len(matrix))],
                   node.shape, {"weights_format": 0}, order=tuple(range(len(node.shape))))


def batch_normalization(builder, node):
    """A factor and a summand for each channel: a depthwise convolution of one tap, exact but for the rounding.

    With a scale of its own each factor is 127 units. Only where the summand would leave 32 bits is it less.
    """
    need(node.take("training_mode", 0) == 0, "is in training mode")
    node.take("momentum", 0)
    node.take("spatial", 1)
    gain, offset, mean, variance = (reals(node.constant(index, "parameters")) for index in range(1, 5))
    factor = gain / np.sqrt(variance + node.take("epsilon", 1e-5))
    return per_channel(builder, node, 0, factor, offset - mean * factor)


def per_channel(builder, node, index, factor, summand):
    """An input times a factor of its channel and plus a summand."""
    value = node.value(builder, index)
    else_floats(value.shape == node.shape, f"broadcasts {node.names[index]!r} to the shape {list(node.shape)}")
    else_floats(2 <= len(value.shape) <= 4, f"has an input of {len(value.shape)} dimensions, expected 2 to 4")
    image = replace(value, shape=as_image(value.shape))
    x, channels = builder.stored(image), image.shape[1]
    factor, summand = (np.broadcast_to(values, channels).astype(np.float64) for values in (factor, summand))
    least = np.abs(summand) / (own(x).scale * 2.0 ** 29)
    scale = np.maximum.reduce([np.abs(factor) / 127, least, np.full(channels, 1e-20)]).astype(np.float32)
    weights = np.clip(np.rint(factor / scale), -127, 127).astype(np.int8).reshape(1, 1, 1, channels)
    stored = builder.channel_constant(f"{node.output} factors", weights, scale, np.zeros(channels, np.int64), 3)
    bias = _sums(builder, f"{node.output} summands", summand, own(x).scale * scale.astype(np.float64))
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1,
               "depth_multiplier": 1}
    return Pending(builder.subject, "DEPTHWISE_CONV_2D", [x, stored, bias], image.shape, options, view=value.shape)
