"""Convolutions and fully connected layers."""

import numpy as np
from systolith.host.graph import activation_range, windows
from systolith.host.quantisation import convolution_factors
from systolith.rtl.isa import Unit
from systolith.sim.arithmetic import quantise_multiplier

from ..box import Box
from ..depthwise import DepthwiseLayer
from ..layer import Padding, Quantisation
from ..layout import Layout, image_shape
from ..matrix import MatrixLayer
from ..transposed import TransposedLayer
from ..window import Geometry
from .on_host import need
from .sliding import MOST_STEPS, window

__all__ = ["conv", "depthwise", "fully_connected", "transpose_conv"]


def _constants(graph, operator, place=2):
    """Weights and bias, which is the input at that place, of a convolution or fully connected operator."""
    weights = graph.tensors[operator.inputs[1]]
    need(weights.data is not None, "its weights are not constant")
    need(weights.dtype == np.int8, "its weights are not int8")
    need(not np.any(weights.zero_point), "its weights have a zero point")
    has_bias = len(operator.inputs) > place and operator.inputs[place] >= 0
    bias = graph.tensors[operator.inputs[place]] if has_bias else None
    need(bias is None or bias.data is not None, "its bias is not constant")
    return weights, bias


def _quantisation(x, y, factors, bias, sums, activation):
    """Requantisation of sums over raw inputs: the input's zero point goes into the bias."""
    outputs = len(sums)
    multiplier, shift = (np.broadcast_to(v, outputs) for v in quantise_multiplier(np.atleast_1d(factors)))
    need(np.all(shift <= 30), "a rescaling factor is 2**30 or more")
    total = (0 if bias is None else bias.data.astype(np.int64)) - int(x.zero_point[0]) * sums
    zero_point = int(y.zero_point[0])
    return Quantisation(total, multiplier, shift, zero_point, *activation_range(activation, y.scale[0], zero_point))


def conv(graph, operator, config, x, y):
    """CONV_2D."""
    weights, bias = _constants(graph, operator)
    return _in_groups(operator, config, x, y, weights, weights.data, bias)


def depthwise(graph, operator, config, x, y):
    """DEPTHWISE_CONV_2D: a group for each channel."""
    weights, bias = _constants(graph, operator)
    return _in_groups(operator, config, x, y, weights, weights.data.transpose(3, 1, 2, 0), bias)


def _in_groups(operator, config, x, y, weights, data, bias):
    """A convolution on the array, or, with a channel a group and a window that fits, on the vector unit.

    Parameters
    ----------
    weights : Tensor, whose scales count
    data : int8 array (output channels, kernel height, kernel width, input channels of a group)
    """
    outputs, *kernel, inputs = data.shape
    groups = x.shape[-1] // inputs
    geometry, padding = window(operator.options, x, y, kernel, int(x.zero_point[0]))
    span = max((k - 1) * d + 1 for k, d in zip(kernel, geometry.dilation))
    quantisation = _quantisation(x, y, convolution_factors(x, weights, y), bias,
                                 data.astype(np.int64).sum(axis=(1, 2, 3)), operator.options["activation"])
    common = dict(name="", kind="", sources=[x.index], target=-1, padding={x.index: padding}, geometry=geometry,
                  macs=int(np.prod(y.shape)) * int(np.prod(kernel)) * inputs, quantisation=quantisation)
    vector = cycles = None
    apart = inputs == 1 and groups == outputs and (groups > 1 or operator.kind == "DEPTHWISE_CONV_2D")
    # The function table is behind the array only.
    if apart and config.has_vector and "table" not in operator.options and max(x.shape[1:3]) + span < MOST_STEPS:
        vector = DepthwiseLayer(unit=Unit.VECTOR, weights=data[..., 0].transpose(1, 2, 0), **common)
        cycles = vector.cycles(config, _layout(y))
    # Among as many channels as the array has rows each tap would be a pass.
    if cycles is not None and groups >= config.rows:
        return vector
    # A column has weights for its group alone; the zeros take rows only where a column beside it needs them.
    stored = np.zeros((*kernel, x.shape[-1], outputs), np.int8)
    for group in range(groups):
        own = slice(group * outputs // groups, (group + 1) * outputs // groups)
        stored[:, :, group * inputs:(group + 1) * inputs, own] = data[own].transpose(1, 2, 3, 0)
    array = MatrixLayer(unit=Unit.MATRIX, weights=stored, **common)
    better = cycles is not None and cycles <= array.cycles(config, _layout(x, padding), _layout(y))[0]
    return vector if better else array


def _layout(tensor, padding=None):
    """Of an image and the padding around it, wherever it will be."""
    sides = {side: getattr(padding, side, 0) for side in ("top", "bottom", "left", "right")}
    return Layout(*image_shape(tensor.shape), **sides)


def transpose_conv(graph, operator, config, x, y):
    """TRANSPOSE_CONV, on the array."""
    weights, bias = _constants(graph, operator, 3)
    need(x.shape[0] == 1, "its input is not one image")
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


def fully_connected(graph, operator, config, x, y):
    """FULLY_CONNECTED: a window as large as the image, or a vector after the other."""
    weights, bias = _constants(graph, operator)
    outputs, inputs = weights.shape
    elements = int(np.prod(x.shape))
    if elements == inputs:
        kernel = image_shape(x.shape)
    else:
        need(x.shape[-1] == inputs and image_shape(x.shape)[0] == 1, "its input is not a list of vectors")
        kernel = 1, 1, inputs
    return MatrixLayer(
        "", "", Unit.MATRIX, [x.index], -1, elements * outputs, {x.index: Padding()},
        geometry=Geometry(kernel[:2]), weights=weights.data.T.reshape(*kernel, outputs),
        quantisation=_quantisation(x, y, convolution_factors(x, weights, y), bias,
                                   weights.data.astype(np.int64).sum(axis=1), operator.options["activation"]))
