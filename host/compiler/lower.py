"""Turns an operator of the graph into a layer of the chip, or says why the host must do it."""

import numpy as np
from systolith.host.graph import activation_range, windows
from systolith.host.operators import evaluate
from systolith.host.quantisation import (
    add_factors,
    convolution_factors,
    fully_connected_factors,
    multiply_factor,
    rescale_factor,
)
from systolith.rtl.isa import AVERAGE_FRACTION, Function, Unit
from systolith.sim.arithmetic import quantise_multiplier, requantise

from .box import Box
from .layer import Layer, Padding, Quantisation
from .layout import image_shape
from .lower_move import broadcast, concatenation, picked
from .matrix import MatrixLayer, TableLayer
from .move import BroadcastLayer, Move, MoveLayer
from .transposed import TransposedLayer
from .vector import DepthwiseLayer, ElementwiseLayer, PoolLayer
from .window import Geometry

__all__ = ["OnHost", "lower"]


#: What the loops of the vector unit's instructions count to.
_MOST_STEPS = 1 << 14


class OnHost(Exception):
    """The chip has no unit for this operator; the message says why."""


def lower(graph, operator, config):
    """The layer that executes an operator.

    Parameters
    ----------
    graph : Graph
    operator : Operator
    config : Config

    Returns
    -------
    Layer
        A plain `Layer` where the output is the input's bytes under another shape.

    Errors
    ------
    OnHost
        If the chip cannot, with the reason.
    """
    if operator.kind not in _LOWER and operator.kind not in _UNARY:
        raise OnHost("the chip has no unit for it")
    tensors = [graph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    if any(t.dtype != np.int8 for t in tensors if t.data is None):
        raise OnHost("its tensors are not int8")
    x, y = graph.tensors[operator.inputs[_DATA.get(operator.kind, 0)]], graph.tensors[operator.outputs[0]]
    if x.data is not None and operator.kind not in _BINARY:
        raise OnHost("its first input is a constant")
    layer = (_LOWER.get(operator.kind) or _table)(graph, operator, config, x, y)
    layer.name, layer.kind, layer.target = y.name, operator.kind, y.index
    return layer


def _need(condition, reason):
    if not condition:
        raise OnHost(reason)


def _need_vector(config):
    _need(config.has_vector, "this configuration has no vector unit")


def _constants(graph, operator, place=2):
    """Weights and bias, which is the input at that place, of a convolution or fully connected operator."""
    weights = graph.tensors[operator.inputs[1]]
    _need(weights.data is not None, "its weights are not constant")
    _need(weights.dtype == np.int8, "its weights are not int8")
    _need(not np.any(weights.zero_point), "its weights have a zero point")
    has_bias = len(operator.inputs) > place and operator.inputs[place] >= 0
    bias = graph.tensors[operator.inputs[place]] if has_bias else None
    _need(bias is None or bias.data is not None, "its bias is not constant")
    return weights, bias


def _quantisation(x, y, factors, bias, sums, activation):
    """Requantisation of sums over raw inputs: the input's zero point goes into the bias."""
    outputs = len(sums)
    multiplier, shift = (np.broadcast_to(v, outputs) for v in quantise_multiplier(np.atleast_1d(factors)))
    _need(np.all(shift <= 30), "a rescaling factor is 2**30 or more")
    total = (0 if bias is None else bias.data.astype(np.int64)) - int(x.zero_point[0]) * sums
    zero_point = int(y.zero_point[0])
    return Quantisation(total, multiplier, shift, zero_point, *activation_range(activation, y.scale[0], zero_point))


def _window(options, x, y, kernel, fill):
    """Geometry of a sliding window over x, and the padding it needs."""
    _need(len(x.shape) == 4 and x.shape[0] == 1, "its input is not one image")
    stride = options["stride_h"], options["stride_w"]
    dilation = options.get("dilation_h", 1), options.get("dilation_w", 1)
    (_, top, bottom), (_, left, right) = windows(x.shape[1:3], kernel, options)
    geometry = Geometry(tuple(kernel), stride, dilation, (top, left))
    return geometry, Padding(top, bottom, left, right, fill if top or bottom or left or right else None)


def _conv(graph, operator, config, x, y):
    weights, bias = _constants(graph, operator)
    _, *kernel, inputs = weights.shape
    _need(x.shape[-1] == inputs, "it is a grouped convolution")
    geometry, padding = _window(operator.options, x, y, kernel, int(x.zero_point[0]))
    sums = weights.data.astype(np.int64).sum(axis=(1, 2, 3))
    quantisation = _quantisation(x, y, convolution_factors(x, weights, y), bias, sums, operator.options["activation"])
    macs = int(np.prod(y.shape)) * int(np.prod(kernel)) * inputs
    return MatrixLayer("", "", Unit.MATRIX, [x.index], -1, macs, {x.index: padding}, geometry=geometry,
                       weights=weights.data.transpose(1, 2, 3, 0), quantisation=quantisation)


def _depthwise(graph, operator, config, x, y):
    weights, bias = _constants(graph, operator)
    _, *kernel, outputs = weights.shape
    inputs = x.shape[-1]
    geometry, padding = _window(operator.options, x, y, kernel, int(x.zero_point[0]))
    quantisation = _quantisation(x, y, convolution_factors(x, weights, y), bias,
                                 weights.data.astype(np.int64).sum(axis=(0, 1, 2)), operator.options["activation"])
    macs = int(np.prod(y.shape)) * int(np.prod(kernel))
    short = max(x.shape[1:3]) + max(kernel) < _MOST_STEPS
    if config.has_vector and short and inputs == outputs and DepthwiseLayer.fits(config, geometry):
        return DepthwiseLayer("", "", Unit.VECTOR, [x.index], -1, macs, {x.index: padding}, geometry=geometry,
                              weights=weights.data[0], quantisation=quantisation)
    sparse = np.zeros((*kernel, inputs, outputs), np.int8)
    channels = np.arange(outputs)
    sparse[:, :, channels * inputs // outputs, channels] = weights.data[0]
    return MatrixLayer("", "", Unit.MATRIX, [x.index], -1, macs, {x.index: padding}, geometry=geometry, weights=sparse,
                       quantisation=quantisation)


def _transpose_conv(graph, operator, config, x, y):
    weights, bias = _constants(graph, operator, 3)
    _need(x.shape[0] == 1, "its input is not one image")
    outputs, *kernel, _ = weights.shape
    stride = operator.options["stride_h"], operator.options["stride_w"]
    before = tuple(before for _, before, _ in windows(y.shape[1:3], kernel, operator.options))
    # The zero point depends on which taps an output has.
    quantisation = _quantisation(x, y, convolution_factors(x, weights, y), bias, np.zeros(outputs, np.int64),
                                 operator.options.get("activation", "NONE"))
    layer = TransposedLayer(
        "", "", Unit.MATRIX, [x.index], y.index, int(np.prod(x.shape)) * int(np.prod(kernel)) * outputs,
        weights=weights.data.transpose(1, 2, 3, 0), quantisation=quantisation, zero_point=int(x.zero_point[0]),
        stride=stride, before=before)
    whole = [Box.whole(image_shape(t.shape)) for t in (x, y)]
    layer.padding = {x.index: layer.around(layer.needs(whole[1], None)[x.index], whole[0])}
    return layer


def _fully_connected(graph, operator, config, x, y):
    weights, bias = _constants(graph, operator)
    outputs, inputs = weights.shape
    elements = int(np.prod(x.shape))
    if elements == inputs:
        kernel = image_shape(x.shape)
    else:
        _need(x.shape[-1] == inputs and image_shape(x.shape)[0] == 1, "its input is not a list of vectors")
        kernel = 1, 1, inputs
    return MatrixLayer(
        "", "", Unit.MATRIX, [x.index], -1, elements * outputs, {x.index: Padding()},
        geometry=Geometry(kernel[:2]), weights=weights.data.T.reshape(*kernel, outputs),
        quantisation=_quantisation(x, y, fully_connected_factors(x, weights, y), bias,
                                   weights.data.astype(np.int64).sum(axis=1), operator.options["activation"]))


def _average_pool(graph, operator, config, x, y):
    _need_vector(config)
    kernel = operator.options["filter_h"], operator.options["filter_w"]
    geometry, padding = _window(operator.options, x, y, kernel, None)
    _need(padding == Padding(), "it averages over padding")
    _need(y.shape[2] < _MOST_STEPS, "its output is wider than an instruction can say")
    count, channels = kernel[0] * kernel[1], x.shape[-1]
    multiplier, shift = _divider(count)
    low, high = activation_range(operator.options["activation"], y.scale[0], y.zero_point[0])
    same = np.ones(channels, np.int64)
    quantisation = Quantisation(0 * same, multiplier * same, shift * same, 0, low, high)
    return PoolLayer("", "", Unit.VECTOR, [x.index], -1, 0, {x.index: padding}, geometry=geometry,
                     function=Function.AVERAGE, quantisation=quantisation)


def _reduce(graph, operator, config, x, y):
    """MEAN or SUM."""
    _need_vector(config)
    axes = {int(a) % len(x.shape) for a in np.atleast_1d(graph.tensors[operator.inputs[1]].data)}
    wanted = {axis for axis, size in enumerate(x.shape[:-1]) if size > 1}
    _need(wanted <= axes and len(x.shape) - 1 not in axes, "it does not go over all pixels and no channels")
    *kernel, channels = image_shape(x.shape)
    _need(max(kernel) < _MOST_STEPS, "its input is larger than an instruction can say")
    count = int(np.prod(kernel))
    multiplier, shift = (int(v) for v in quantise_multiplier(rescale_factor(x, y)))
    if operator.kind == "MEAN":
        # The division by the count is in the multiplier, as in the reference.
        more = min(count.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << more) // count, shift - more
    _need(-31 <= shift <= 30 and multiplier < 1 << 31, "its rescaling factor is out of the chip's range")
    same = np.ones(channels, np.int64)
    quantisation = Quantisation(-int(x.zero_point[0]) * count * same, multiplier * same, shift * same,
                                int(y.zero_point[0]), -128, 127)
    return PoolLayer("", "", Unit.VECTOR, [x.index], -1, 0, {x.index: Padding()}, geometry=Geometry(tuple(kernel)),
                     function=Function.SUM, quantisation=quantisation)


def _divider(count):
    """Multiplier and shift by which AVERAGE divides every sum of `count` int8, halves away from zero."""
    fraction, shift = np.frexp(1 / (count << AVERAGE_FRACTION))
    # Rounded up, so that an exact half stays one.
    multiplier = int(np.ceil(fraction * (1 << 31)))
    sums = np.arange(-128 * count, 127 * count + 1)
    expected = np.where(sums > 0, (sums + count // 2) // count, -((-sums + count // 2) // count))
    _need(count <= 1 << 16 and np.array_equal(requantise(sums << AVERAGE_FRACTION, multiplier, shift), expected),
          f"the chip cannot divide by {count} exactly")
    return multiplier, int(shift)


def _max_pool(graph, operator, config, x, y):
    _need_vector(config)
    kernel = operator.options["filter_h"], operator.options["filter_w"]
    geometry, padding = _window(operator.options, x, y, kernel, -128)
    _need(y.shape[2] < _MOST_STEPS, "its output is wider than an instruction can say")
    low, high = activation_range(operator.options["activation"], y.scale[0], y.zero_point[0])
    none = np.zeros(0, np.int64)
    return PoolLayer("", "", Unit.VECTOR, [x.index], -1, 0, {x.index: padding}, geometry=geometry,
                     function=Function.MAXIMUM, quantisation=Quantisation(none, none, none, 0, low, high))


def _elementwise(graph, operator, config, x, y):
    b = graph.tensors[operator.inputs[1]]
    varying = [t for t in (x, b) if t.data is None]
    if len(varying) == 1 and all(t in varying or t.data.size == 1 for t in (x, b)):
        return _table(graph, operator, config, varying[0], y)
    _need_vector(config)
    _need(varying and operator.kind in _ELEMENTWISE, "the chip has no unit for it")
    low, high = activation_range(operator.options.get("activation", "NONE"), y.scale[0], y.zero_point[0])
    function, rescale = _ELEMENTWISE[operator.kind]
    registers = dict(minimum=low, maximum=high)
    if rescale is not None:
        registers |= dict(zero_point=y.zero_point[0], zero_point_a=x.zero_point[0], zero_point_b=b.zero_point[0])
        for name, factor in zip(rescale[1], np.atleast_1d(rescale[0](x, b, y))):
            multiplier, shift = quantise_multiplier(factor)
            _need(shift <= 30, "a rescaling factor is 2**30 or more")
            registers |= {f"multiplier_{name}": multiplier, f"shift_{name}": shift}

    def layer(sources):
        return ElementwiseLayer("", "", Unit.VECTOR, sources, y.index, 0, {source: Padding() for source in sources},
                                function=function, registers=registers)

    if x.shape == b.shape == y.shape:
        return layer([x.index, b.index])
    _need(y.shape in (x.shape, b.shape), "it broadcasts both inputs")
    # A constant is an input that the host writes.
    small = b if x.shape == y.shape else x
    move = broadcast(small.index, small.shape, y.shape)
    _need(move is not None, "it broadcasts an input over the channels, or over several images")
    # The repeated operand is where the result will be.
    inner = layer([y.index if t is small else t.index for t in (x, b)])
    return BroadcastLayer("", "", Unit.VECTOR, [x.index, b.index], -1, 0, {x.index: Padding(), b.index: Padding()},
                          moves=[move], inner=inner)


def _moves(sources, moves):
    """The layer that executes some moves."""
    return MoveLayer("", "", Unit.VECTOR, sources, -1, 0, {source: Padding() for source in sources}, moves=moves)


def _concatenation(graph, operator, config, x, y):
    _need_vector(config)
    tensors = [graph.tensors[index] for index in operator.inputs]
    _need(all(t.data is None for t in tensors), "one of its inputs is a constant")
    moves = concatenation([t.shape for t in tensors], operator.inputs, operator.options["axis"])
    _need(moves is not None, "its inputs are no single images")
    return _moves(list(dict.fromkeys(operator.inputs)), moves)


def _pad(graph, operator, config, x, y):
    _need_vector(config)
    amounts = graph.tensors[operator.inputs[1]].data.tolist()
    fill = graph.tensors[operator.inputs[2]].data.item() if len(operator.inputs) > 2 else int(y.zero_point[0])
    _need(all(size == 1 for size in y.shape[:-3]), "its output is not one image")
    before = [0] * (3 - len(amounts)) + [first for first, _ in amounts[-3:]]
    layer = _moves([x.index], [Move(x.index, image_shape(x.shape), put=tuple((first, 1) for first in before))])
    layer.fill = fill
    return layer


def _picked(graph, operator, config, x, y):
    _need_vector(config)
    moves = picked(graph, operator, x, y)
    _need(moves is not None, "it takes more moves than pay")
    return _moves([x.index], moves)


def _table(graph, operator, config, x, y):
    """Any int8 function of one int8: the array passes the values, the function table does the work."""
    _need(len(x.zero_point) <= 1, "its input is quantised per channel")
    values = np.arange(256, dtype=np.uint8).view(np.int8)
    return TableLayer("", "", Unit.MATRIX, [x.index], -1, 0, {x.index: Padding()},
                      geometry=Geometry(), table=evaluate(graph, operator, {x.index: values})[0].reshape(256))


def _reshape(graph, operator, config, x, y):
    return Layer("", "", None, [x.index], -1, 0, {x.index: Padding()})


_UNARY = frozenset({"ABS", "ELU", "EXP", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "LOOKUP", "QUANTIZE", "RELU",
                    "RELU6", "RELU_N1_TO_1", "RSQRT", "TANH"})

_ELEMENTWISE = {
    "ADD": (Function.ADD, (add_factors, ("a", "b", "out"))),
    "SUB": (Function.SUBTRACT, (add_factors, ("a", "b", "out"))),
    "MUL": (Function.MULTIPLY, (multiply_factor, ("out",))),
    "MAXIMUM": (Function.MAXIMUM, None),
}

#: Which input is computed on; where not said, the first.
_DATA = {"TRANSPOSE_CONV": 2}

#: Of two inputs; with one of them a constant number a function of the other, for the table.
_BINARY = frozenset({*_ELEMENTWISE, "MINIMUM", "SQUARED_DIFFERENCE"})

#: Each element of the output is one of the input's.
_PICKED = frozenset({"BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "GATHER", "RESIZE_NEAREST_NEIGHBOR",
                     "SLICE", "SPACE_TO_DEPTH", "STRIDED_SLICE", "TILE", "TRANSPOSE"})

_LOWER = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transpose_conv,
    "AVERAGE_POOL_2D": _average_pool,
    "MAX_POOL_2D": _max_pool,
    "MEAN": _reduce,
    "SUM": _reduce,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "CONCATENATION": _concatenation,
    **dict.fromkeys(("PAD", "PADV2"), _pad),
    **dict.fromkeys(_BINARY, _elementwise),
    **dict.fromkeys(_PICKED, _picked),
}
