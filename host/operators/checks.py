"""What must hold of an operator's tensors and options before it can be evaluated."""

import math

import numpy as np

from ..graph import ModelError, windows
from .movement import strided_slice_indices

__all__ = ["check"]


def check(graph, operator):
    """Refuses an operator whose tensors or options do not belong together.

    Errors
    ------
    ModelError
        With a sentence whose subject, the operator, the caller adds.
    """
    tensors = [graph.tensors[index] if index >= 0 else None for index in operator.inputs]
    rule, least, most = _RULES[operator.kind]
    while len(tensors) > least and tensors[-1] is None:
        tensors.pop()
    _need(least <= len(tensors) <= most and None not in tensors,
          f"must have {least} to {most} inputs, not {len(tensors)}")
    _need(len(operator.outputs) == 1, f"must have one output, not {len(operator.outputs)}")
    for name, value in operator.options.items():
        if name.startswith(("stride_", "dilation_", "filter_")):
            _need(1 <= value <= 4096, f"must have {name} between 1 and 4096, not {value}")
        if name.startswith("pad_"):
            _need(0 <= value <= 4096, f"must have {name} between 0 and 4096, not {value}")
    _need(operator.options.get("activation", "NONE") in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"),
          f"has the activation {operator.options.get('activation')}, expected none or a kind of RELU")
    for tensor in tensors[_OPERANDS.get(operator.kind, slice(1))]:
        _need(tensor.dtype in (np.int8, np.float32) or (tensor.dtype, operator.kind) == (np.uint8, "QUANTIZE"),
              f"computes on {tensor.dtype} (tensor {tensor.index}), expected int8")
    output = graph.tensors[operator.outputs[0]]
    try:
        shape = rule(operator.options, output, *tensors)
    except KeyError as error:
        raise ModelError(f"lacks the option {error.args[0]}") from None
    _need(tuple(shape) == output.shape, f"has an output of shape {list(output.shape)}, expected {list(shape)}")


def _need(condition, sentence):
    if not condition:
        raise ModelError(sentence)


def _constant(tensor, shape):
    """Data of an input that must be an int32 constant; None in the shape stands for any size."""
    matches = len(shape) == len(tensor.shape) and all(
        want in (None, size) for want, size in zip(shape, tensor.shape))
    _need(tensor.data is not None and tensor.dtype == np.int32 and matches,
          f"needs tensor {tensor.index} to be an int32 constant of shape {list(shape)}, "
          f"not {tensor.dtype} of shape {list(tensor.shape)}")
    return tensor.data


def _rank(tensor, rank):
    _need(len(tensor.shape) == rank, f"needs tensor {tensor.index} to have {rank} dimensions, not {len(tensor.shape)}")


def _rescale(scale, output):
    """The multiplier's exponent has room for factors below 2**30."""
    _need(scale / output.scale[0] < 1 << 30, "has an output scale less than 2**-30 of what it computes in")


def _weights(tensor, rank, bias, outputs_axis, x, output):
    _rank(tensor, rank)
    _need(tensor.data is not None and tensor.dtype == np.int8,
          f"needs its weights, tensor {tensor.index}, to be an int8 constant")
    outputs = tensor.shape[outputs_axis]
    _need(len(tensor.scale) in (1, outputs),
          f"has weights with {len(tensor.scale)} scales, expected 1 or {outputs}")
    _rescale(x.scale[0] * tensor.scale.max(), output)
    if bias:
        _constant(bias[0], (outputs,))
    return outputs


def _slid(options, x, kernel, channels):
    """Output shape of a sliding window."""
    _rank(x, 4)
    (height, *_), (width, *_) = windows(x.shape[1:3], kernel, options)
    return x.shape[0], height, width, channels


def _symmetric(weights):
    _need(not weights.zero_point.any(), f"has weights with zero point {weights.zero_point.max()}, expected 0")


def _conv_2d(options, output, x, weights, *bias):
    outputs = _weights(weights, 4, bias, 0, x, output)
    _symmetric(weights)
    _rank(x, 4)
    groups, rest = divmod(x.shape[3], weights.shape[3])
    _need(rest == 0 and outputs % groups == 0,
          f"has weights of shape {list(weights.shape)}, which do not fit {x.shape[3]} input channels")
    return _slid(options, x, weights.shape[1:3], outputs)


def _depthwise_conv_2d(options, output, x, weights, *bias):
    outputs = _weights(weights, 4, bias, 3, x, output)
    _symmetric(weights)
    _rank(x, 4)
    _need(weights.shape[0] == 1 and outputs == x.shape[3] * options["depth_multiplier"],
          f"has weights of shape {list(weights.shape)}, which do not fit {x.shape[3]} input channels "
          f"and depth multiplier {options['depth_multiplier']}")
    return _slid(options, x, weights.shape[1:3], outputs)


def _transpose_conv(options, output, shape, weights, x, *bias):
    outputs = _weights(weights, 4, bias, 0, x, output)
    _symmetric(weights)
    _rank(output, 4)
    _need(_slid(options, output, weights.shape[1:3], weights.shape[3]) == x.shape,
          f"has an input of shape {list(x.shape)}, which does not fit its output and weights")
    _need(output.shape[3] == outputs, f"has {output.shape[3]} output channels, expected {outputs}")
    return _constant(shape, (4,)).tolist()


def _fully_connected(options, output, x, weights, *bias):
    outputs = _weights(weights, 2, bias, 0, x, output)
    _need(options["weights_format"] == 0, "has shuffled weights, expected the default format")
    size = math.prod(x.shape)
    _need(size % weights.shape[1] == 0 and math.prod(output.shape) == size // weights.shape[1] * outputs,
          f"has weights of shape {list(weights.shape)}, which do not fit its input and output")
    return *output.shape[:-1], outputs


def _pooled(options, _output, x):
    _rank(x, 4)
    return _slid(options, x, (options["filter_h"], options["filter_w"]), x.shape[3])


def _reduced(options, output, x, axes):
    _rescale(x.scale[0], output)
    axes = _constant(axes, (None,) * len(axes.shape)).reshape(-1).tolist()
    _need(all(-len(x.shape) <= axis < len(x.shape) for axis in axes), f"reduces dimensions {axes} of {len(x.shape)}")
    gone = {axis % len(x.shape) for axis in axes}
    if options["keep_dims"]:
        return tuple(1 if axis in gone else size for axis, size in enumerate(x.shape))
    return tuple(size for axis, size in enumerate(x.shape) if axis not in gone)


def _same(_options, output, x):
    if len(x.scale) and len(output.scale):
        _rescale(x.scale[0], output)
    return x.shape


def _leaky_relu(options, output, x):
    _need(abs(options["alpha"]) <= 1e6, f"must have an alpha between -1e6 and 1e6, not {options['alpha']}")
    _rescale(x.scale[0] * max(1, abs(options["alpha"])), output)
    return x.shape


def _softmax(options, output, x):
    _need(options["beta"] > 0, f"must have a positive beta, not {options['beta']}")
    _need(output.scale[0] == 1 / 256 and output.zero_point[0] == -128,
          "must have an output of scale 1/256 and zero point -128")
    return x.shape


def _hard_swish(_options, output, x):
    _need(x.scale[0] < 128 * output.scale[0], "must have an output scale above 1/128 of its input's")
    return x.shape


def _broadcast(_options, output, a, b):
    _rescale(max(a.scale[0], b.scale[0], a.scale[0] * b.scale[0]), output)
    try:
        return np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ModelError(f"has inputs of shapes {list(a.shape)} and {list(b.shape)}, which do not broadcast") from None


def _reshaped(_options, output, x, *_shape):
    _need(math.prod(x.shape) == math.prod(output.shape),
          f"cannot make shape {list(output.shape)} of {list(x.shape)}")
    return output.shape


def _padded(_options, _output, x, amounts, *fill):
    amounts = _constant(amounts, (len(x.shape), 2))
    _need((amounts >= 0).all(), "pads by a negative amount")
    _need(not fill or (fill[0].data is not None and fill[0].data.size == 1), "needs one constant to fill with")
    return tuple(int(size + sum(pair)) for size, pair in zip(x.shape, amounts.tolist()))


def _concatenated(options, output, *parts):
    axis = options["axis"]
    rank = len(output.shape)
    _need(-rank <= axis < rank and all(len(part.shape) == rank for part in parts),
          f"cannot concatenate along dimension {axis} of {rank}")
    shapes = [[size for place, size in enumerate(part.shape) if place != axis % rank] for part in parts]
    _need(all(shape == shapes[0] for shape in shapes), "concatenates tensors of different sizes")
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return shape


def _transposed(_options, _output, x, order):
    order = _constant(order, (len(x.shape),)).tolist()
    _need(sorted(order) == list(range(len(x.shape))), f"has the order {order}, expected a permutation")
    return tuple(x.shape[axis] for axis in order)


def _resized(options, _output, x, size):
    _rank(x, 4)
    _need({"align_corners", "half_pixel_centers"} <= options.keys(), "lacks its options")
    return x.shape[0], *_constant(size, (2,)).tolist(), x.shape[3]


def _strided(options, _output, x, begin, end, strides):
    length = (len(begin.shape) and begin.shape[0],)
    begin, end, strides = (_constant(tensor, length) for tensor in (begin, end, strides))
    _need(length[0] <= len(x.shape) and strides.all(), "slices more dimensions than there are, or with stride 0")
    _need(not (options["ellipsis_mask"] or options["new_axis_mask"] or options["offset"]),
          "uses an ellipsis, a new axis or an offset, expected plain ranges")
    try:
        return np.broadcast_to(np.int8(0), x.shape)[strided_slice_indices(options, begin, end, strides)].shape
    except IndexError:
        raise ModelError(f"takes an element outside the shape {list(x.shape)}") from None


#: Kind -> (rule, least and greatest number of inputs). A rule gives the shape that the output must have.
_RULES = {
    **dict.fromkeys(("DEQUANTIZE", "EXP", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "TANH"), (_same, 1, 1)),
    **dict.fromkeys(("ADD", "MAXIMUM", "MINIMUM", "MUL", "SUB"), (_broadcast, 2, 2)),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), (_pooled, 1, 1)),
    **dict.fromkeys(("MEAN", "SUM"), (_reduced, 2, 2)),
    **dict.fromkeys(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"), (_reshaped, 1, 2)),
    "CONCATENATION": (_concatenated, 1, 1 << 10),
    "CONV_2D": (_conv_2d, 2, 3),
    "DEPTHWISE_CONV_2D": (_depthwise_conv_2d, 2, 3),
    "FULLY_CONNECTED": (_fully_connected, 2, 3),
    "HARD_SWISH": (_hard_swish, 1, 1),
    "LEAKY_RELU": (_leaky_relu, 1, 1),
    "PAD": (_padded, 2, 2),
    "PADV2": (_padded, 3, 3),
    "RESIZE_NEAREST_NEIGHBOR": (_resized, 2, 2),
    "SOFTMAX": (_softmax, 1, 1),
    "STRIDED_SLICE": (_strided, 4, 4),
    "TRANSPOSE": (_transposed, 2, 2),
    "TRANSPOSE_CONV": (_transpose_conv, 3, 4),
}

#: Which inputs are computed on; where not said, the first. Others are weights, or say what to do.
_OPERANDS = {
    **dict.fromkeys(("ADD", "MAXIMUM", "MINIMUM", "MUL", "SUB"), slice(2)),
    "CONCATENATION": slice(None),
    "PADV2": slice(0, 3, 2),
    "TRANSPOSE_CONV": slice(2, 3),
}
