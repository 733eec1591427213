"""QuantizeLinear and DequantizeLinear."""

import numpy as np
from onnx import TensorProto

from .result import Constant, Quantisation, need, own, reals, signed8

__all__ = ["dequantize", "quantize"]


def _quantisation(node, dtype=None):
    """Scale and zero point, as arrays of one entry or several, and the type."""
    need(node.take("block_size", 0) == 0, "quantises in blocks, expected a scale a tensor or a channel")
    node.take("saturate", 1)
    node.take("precision", 0)
    default = {TensorProto.UNDEFINED: np.uint8, TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8}.get(
        node.take("output_dtype", TensorProto.UNDEFINED))
    scale = node.constant(1, "a scale").data.reshape(-1).astype(np.float32)
    # Within these bounds no quotient of scales leaves float32.
    need(np.all((scale >= 1e-30) & (scale <= 1e8)), "has a scale out of range, expected 1e-30 to 1e8")
    zero_point = node.optional(2) and node.constant(2, "a zero point").data.reshape(-1)
    if zero_point is None:
        need(default is not None, "quantises to another type than int8 or uint8")
        zero_point = np.zeros(len(scale), default if dtype is None else dtype)
    return scale, zero_point


def _whole(scale, zero_point):
    """The same as the `Quantisation` of an activation."""
    need(len(scale) == len(zero_point) == 1, f"has {len(scale)} scales for an activation, expected one")
    need(zero_point.dtype in (np.int8, np.uint8), f"quantises to {zero_point.dtype}, expected int8 or uint8")
    return Quantisation(float(scale[0]), int(signed8(zero_point)[0]))


def quantize(builder, node):
    """QuantizeLinear: the place where what came before learns its scale."""
    scale, zero_point = _quantisation(node)
    axis = node.take("axis", 1)
    x, = node.inputs[:1]
    if not isinstance(x, Constant):
        return builder.quantised(x, node.output, _whole(scale, zero_point))
    along = [1] * x.data.ndim
    if len(scale) > 1:
        along[axis] = -1
    limits = np.iinfo(zero_point.dtype)
    units = np.rint(reals(x) / scale.reshape(along)) + zero_point.astype(np.float64).reshape(along)
    return Constant(np.clip(units, limits.min, limits.max).astype(zero_point.dtype))


def dequantize(builder, node):
    """DequantizeLinear: nothing but a promise about its input, or the scale of a constant."""
    axis = node.take("axis", 1)
    x, = node.inputs[:1]
    if not isinstance(x, Constant):
        dtype = {TensorProto.INT8: np.int8, TensorProto.UINT8: np.uint8}.get(node.kind(0))
        quantisation = _whole(*_quantisation(node, dtype))
        x = builder.settled(x, node.names[0])
        if not len(x.tensor.scale):
            # An input of the model that is quantised already: only here does it say how.
            x.tensor.scale = np.array([quantisation.scale], np.float32)
            x.tensor.zero_point = np.array([quantisation.zero_point])
        need(own(x.tensor) == quantisation,
             f"has another scale or zero point than {node.names[0]!r} was quantised with")
        return x
    need(x.data.dtype in (np.int8, np.uint8, np.int32), f"has {x.data.dtype} data, expected int8, uint8 or int32")
    if node.optional(2) is None:
        node.inputs[2:] = [Constant(np.zeros(node.inputs[1].data.size, x.data.dtype))]
        node.names[2:] = [""]
    scale, zero_point = _quantisation(node)
    return Constant(signed8(x.data), scale, signed8(zero_point).astype(np.int64), axis % max(1, x.data.ndim))
