"""What each ONNX operator becomes in a `Graph`: one function an operator.

A function takes the builder and the node and gives what the node's output stands for: a `Value`, `Pending` or
`Constant`. It takes the attributes that it knows out of the node; one that is left over is refused by the caller.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from .onnx_builder import Constant, Pending, Quantisation, Value, canonical, need, signed8

__all__ = ["FUNCTIONS", "Node"]


@dataclass
class Node:
    """One node of the ONNX model.

    Members
    -------
    names : list of str, its inputs, "" for an absent one
    inputs : list of Value, Pending, Constant, or None for an absent one
    output : str, its first output
    shape : tuple of int, of that output
    attributes : dict
    """
    names: list[str]
    inputs: list
    output: str
    shape: tuple[int, ...]
    attributes: dict = field(default_factory=dict)

    def take(self, name, default):
        """An attribute, which counts as known from now on."""
        return self.attributes.pop(name, default)

    def optional(self, index):
        """An input, or None."""
        return self.inputs[index] if index < len(self.inputs) else None

    def value(self, builder, index):
        """An input that is computed."""
        need(not isinstance(self.inputs[index], Constant), f"has the constant {self.names[index]!r} as its input")
        value = builder.settled(self.inputs[index], self.names[index])
        need(len(value.tensor.scale), f"has an input, {self.names[index]!r}, that no QuantizeLinear quantises")
        return value

    def image(self, builder):
        """The first input, which must be an image, as its tensor."""
        value = self.value(builder, 0)
        need(len(value.shape) == 4, f"has an input of {len(value.shape)} dimensions, expected 4")
        return builder.stored(value)

    def constant(self, index, what):
        """An input that must be a constant."""
        need(isinstance(self.inputs[index], Constant), f"has {what}, {self.names[index]!r}, that is no constant")
        return self.inputs[index]

    def weights(self, axis):
        """The second input, which must be an int8 constant whose scales may go along `axis`."""
        weights = self.constant(1, "weights")
        need(weights.scale is not None, f"has float weights, {self.names[1]!r}, expected int8 into DequantizeLinear")
        need(len(weights.scale) == 1 or weights.axis == axis,
             f"has weights with a scale for each index of dimension {weights.axis}, expected dimension {axis}")
        return weights


def _reals(constant):
    """The reals that a constant stands for."""
    if constant.scale is None:
        return constant.data.astype(np.float64)
    along = [1] * constant.data.ndim
    if len(constant.scale) > 1:
        along[constant.axis] = -1
    return ((constant.data.astype(np.int64) - constant.zero_point.reshape(along))
            * constant.scale.astype(np.float64).reshape(along))


def _quantisation(node):
    """Scale and zero point, as arrays of one entry or several, and the type, of QuantizeLinear or DequantizeLinear."""
    need(node.take("block_size", 0) == 0, "quantises in blocks, expected a scale a tensor or a channel")
    node.take("saturate", 1)
    node.take("precision", 0)
    default = {0: np.uint8, 2: np.uint8, 3: np.int8}.get(node.take("output_dtype", 0))
    scale = node.constant(1, "a scale").data.reshape(-1).astype(np.float32)
    # Within these bounds no quotient of scales leaves float32.
    need(np.all((scale >= 1e-30) & (scale <= 1e8)), "has a scale out of range, expected 1e-30 to 1e8")
    zero_point = node.optional(2) and node.constant(2, "a zero point").data.reshape(-1)
    if zero_point is None:
        need(default is not None, "quantises to another type than int8 or uint8")
        zero_point = np.zeros(len(scale), default)
    return scale, zero_point


def _whole(scale, zero_point):
    """The same as the `Quantisation` of an activation."""
    need(len(scale) == len(zero_point) == 1, f"has {len(scale)} scales for an activation, expected one")
    need(zero_point.dtype in (np.int8, np.uint8), f"quantises to {zero_point.dtype}, expected int8 or uint8")
    return Quantisation(float(scale[0]), int(signed8(zero_point)[0]))


def _quantize(builder, node):
    scale, zero_point = _quantisation(node)
    axis = node.take("axis", 1)
    x, = node.inputs[:1]
    if not isinstance(x, Constant):
        return builder.quantised(x, node.output, _whole(scale, zero_point))
    along = [1] * x.data.ndim
    if len(scale) > 1:
        along[axis] = -1
    limits = np.iinfo(zero_point.dtype)
    units = np.rint(x.data / scale.reshape(along)) + zero_point.astype(np.float64).reshape(along)
    return Constant(np.clip(units, limits.min, limits.max).astype(zero_point.dtype))


def _dequantize(builder, node):
    axis = node.take("axis", 1)
    x, = node.inputs[:1]
    if not isinstance(x, Constant):
        quantisation = _whole(*_quantisation(node))
        if not len(x.tensor.scale):
            # An input of the model that is quantised already: only here does it say how.
            x.tensor.scale = np.array([quantisation.scale], np.float32)
            x.tensor.zero_point = np.array([quantisation.zero_point])
        need(builder.quantised(x, node.output, quantisation) is x,
             f"has another scale or zero point than {node.names[0]!r} was quantised with")
        return x
    need(x.data.dtype in (np.int8, np.uint8, np.int32), f"has {x.data.dtype} data, expected int8, uint8 or int32")
    if node.optional(2) is None:
        node.inputs[2:] = [Constant(np.zeros(node.inputs[1].data.size, x.data.dtype))]
        node.names[2:] = [""]
    scale, zero_point = _quantisation(node)
    return Constant(signed8(x.data), scale, signed8(zero_point).astype(np.int64), axis % max(1, x.data.ndim))


def _window(node, x, kernel):
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
    reals = np.broadcast_to(_reals(node.constant(2, "a bias")).reshape(-1), outputs)
    units = np.rint(reals / (float(x.scale[0]) * weights.scale.astype(np.float64)))
    need(np.all(np.abs(units) < 1 << 31), "has a bias that leaves 32 bits")
    return [builder.constant(node.names[2], units.astype(np.int32))]


def _conv(builder, node):
    x, weights, group = node.image(builder), node.weights(0), node.take("group", 1)
    outputs, depth, *kernel = weights.data.shape
    options, _ = _window(node, x, kernel)
    kind, order = "CONV_2D", (0, 2, 3, 1)
    if depth == 1 and group == x.shape[3] > 1:
        kind, order = "DEPTHWISE_CONV_2D", (1, 2, 3, 0)
        options["depth_multiplier"] = outputs // group
    stored = builder.channel_constant(node.names[1], weights.data.transpose(order), weights.scale, weights.zero_point,
                                      order.index(0))
    return Pending(builder.subject, kind, [x, stored, *_bias(builder, node, x, weights, outputs)], node.shape, options)


def _gemm(builder, node):
    for name, only in (("alpha", 1), ("beta", 1), ("transA", 0)):
        value = node.take(name, only)
        need(value == only, f"has {name} {value}, expected {only}")
    return _product(builder, node, node.take("transB", 0))


def _matmul(builder, node):
    return _product(builder, node, False)


def _product(builder, node, transposed):
    """Product with a constant matrix, [outputs, inputs] if transposed."""
    value, weights = node.value(builder, 0), node.weights(0 if transposed else 1)
    need(weights.data.ndim == 2, f"has weights of {weights.data.ndim} dimensions, expected 2")
    need(len(node.shape) <= 3, f"has an output of {len(node.shape)} dimensions, expected at most 3")
    matrix = weights.data if transposed else weights.data.T
    if math.prod(value.shape) == matrix.shape[1]:
        # One vector: its elements may lie in any order if the weights do, too.
        x, matrix = value.tensor, matrix[:, value.elements()]
    else:
        x = builder.stored(value)
    stored = builder.channel_constant(node.names[1], matrix, weights.scale, weights.zero_point, 0)
    return Pending(builder.subject, "FULLY_CONNECTED", [x, stored, *_bias(builder, node, x, weights, len(matrix))],
                   node.shape, {"weights_format": 0})


def _elementwise(kind):
    def function(builder, node):
        return Pending(builder.subject, kind, [_operand(builder, node, index) for index in range(2)], node.shape)
    return function


def _operand(builder, node, index):
    """An input as a tensor with as many dimensions as the output, so that they broadcast in any order."""
    x, rank = node.inputs[index], len(node.shape)
    if not isinstance(x, Constant):
        x = node.value(builder, index)
        return builder.stored(replace(x, shape=(1,) * (rank - len(x.shape)) + x.shape))
    need(x.scale is not None and len(x.scale) == 1, f"has a constant, {node.names[index]!r}, without one scale")
    data = x.data.reshape((1,) * (rank - x.data.ndim) + x.data.shape).transpose(canonical(rank))
    return builder.channel_constant(node.names[index], data, x.scale, x.zero_point, 0)


def _pool(builder, node):
    """The image, and the options of a pooling window; also whether its padding is all declared."""
    x, kernel = node.image(builder), node.take("kernel_shape", [])
    options, declared = _window(node, x, kernel)
    need(options["dilation_h"] == options["dilation_w"] == 1, "is dilated, expected a pool without dilation")
    need(max(options["pad_top"], options["pad_bottom"]) < kernel[0]
         and max(options["pad_left"], options["pad_right"]) < kernel[1], "pads by a whole window or more")
    return x, kernel, options, declared


def _max_pool(builder, node):
    x, kernel, options, _ = _pool(builder, node)
    need(node.take("storage_order", 0) == 0, "has storage_order 1, expected 0")
    return Pending(builder.subject, "MAX_POOL_2D", [x], node.shape,
                   {**options, "filter_h": kernel[0], "filter_w": kernel[1]}, fixed=_own(x))


def _average_pool(builder, node):
    x, kernel, options, declared = _pool(builder, node)
    padded = any(options[f"pad_{side}"] for side in ("top", "bottom", "left", "right"))
    if not (node.take("count_include_pad", 0) and padded):
        return Pending(builder.subject, "AVERAGE_POOL_2D", [x], node.shape,
                       {**options, "filter_h": kernel[0], "filter_w": kernel[1]}, fixed=_own(x))
    # AVERAGE_POOL_2D never counts padding; a convolution with equal weights does.
    need(declared, "counts padding that only ceil_mode adds")
    ones = builder.channel_constant(f"{node.output} weights", np.ones((1, *kernel, x.shape[3]), np.int8),
                                    np.array([1 / math.prod(kernel)], np.float32), np.zeros(1, np.int64), 3)
    return Pending(builder.subject, "DEPTHWISE_CONV_2D", [x, ones], node.shape, {**options, "depth_multiplier": 1})


def _own(tensor):
    """The quantisation of a tensor, for operators that keep it."""
    return Quantisation(float(tensor.scale[0]), int(tensor.zero_point[0]))


def _global_average_pool(builder, node):
    axes = builder.constant(f"{node.output} axes", np.array([1, 2], np.int32))
    return Pending(builder.subject, "MEAN", [node.image(builder), axes], node.shape, {"keep_dims": True})


def _relu(builder, node):
    return builder.clipped(node.inputs[0], 0, math.inf)


def _clip(builder, node):
    low, high = (default if node.optional(index) is None else float(_reals(node.constant(index, "a bound")).reshape(()))
                 for index, default in ((1, -math.inf), (2, math.inf)))
    return builder.clipped(node.inputs[0], low, high)


def _softmax(builder, node):
    rank = len(node.shape)
    axis = node.take("axis", -1) % rank
    need(axis == canonical(rank)[-1], f"has axis {axis} of {rank}, expected {canonical(rank)[-1]}")
    return Pending(builder.subject, "SOFTMAX", [builder.stored(node.value(builder, 0))], node.shape, {"beta": 1.0},
                   fixed=Quantisation(1 / 256, -128))


def _same(_builder, node):
    return node.inputs[0]


def _view(builder, node):
    """Another shape of the same elements; which one, shape inference has found out."""
    node.attributes.clear()
    need(not isinstance(node.inputs[0], Constant), f"reshapes the constant {node.names[0]!r}")
    return replace(builder.settled(node.inputs[0], node.names[0]), shape=node.shape)


def _transpose(builder, node):
    x, perm = node.inputs[0], list(node.take("perm", range(len(node.shape))[::-1]))
    if isinstance(x, Constant):
        axis = x.axis if x.scale is None else perm.index(x.axis)
        return replace(x, data=x.data.transpose(perm), axis=axis)
    x = builder.settled(x, node.names[0])
    if x.shape != x.source:
        plain = tuple(range(len(x.shape)))
        x = Value(builder.stored(x, plain), x.shape, plain, x.shape)
    return Value(x.tensor, node.shape, tuple(perm.index(axis) for axis in x.order), node.shape)


#: ONNX's operators, all of domain ai.onnx.
FUNCTIONS = {
    "Add": _elementwise("ADD"),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Conv": _conv,
    "DequantizeLinear": _dequantize,
    "Dropout": _same,
    "Flatten": _view,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "Identity": _same,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "Mul": _elementwise("MUL"),
    "QuantizeLinear": _quantize,
    "Relu": _relu,
    "Reshape": _view,
    "Softmax": _softmax,
    "Squeeze": _view,
    "Sub": _elementwise("SUB"),
    "Transpose": _transpose,
    "Unsqueeze": _view,
}
