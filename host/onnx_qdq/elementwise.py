"""Operators on single elements, or on corresponding elements of two tensors."""

import math
from dataclasses import replace

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator

from ..graph import ModelError
from .contraction import per_channel
from .result import Constant, Pending, Quantisation, SingleElement, canonical, else_floats, reals

__all__ = ["SINGLE", "clip", "evaluated", "extreme", "prelu", "relu", "single_element", "softmax", "two_operands"]

#: Operators of one element that mean what ONNX's own evaluator says.
SINGLE = ("Abs", "Ceil", "Celu", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu",
          "Log", "Mish", "Neg", "Reciprocal", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign",
          "Sqrt", "Tanh", "ThresholdedRelu")


def evaluated(node, arrays):
    """Outputs of a node for such inputs, as ONNX's reference evaluator computes them.

    Parameters
    ----------
    node : Node
        Counts as known with all its attributes.
    arrays : list of arrays, or None for an absent input
    """
    node.attributes.clear()
    given = {name: array for name, array in zip(node.proto.input, arrays) if array is not None}
    inputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
              for name, array in given.items()]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.proto.output if name]
    graph = helper.make_graph([node.proto], "node", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    try:
        with np.errstate(all="ignore"):
            return ReferenceEvaluator(model).run(None, given)
    except Exception as error:  # whatever its functions, mostly numpy's, say of arrays that do not fit
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"is not evaluated on its constant inputs: {reason}") from None


def single_element(builder, node):
    """A function of one element: where it meets its quantisation, all before it since the last becomes one table."""
    x = node.single_element(0, builder)
    else_floats(x is not None, f"has an input, {node.names[0]!r}, that no QuantizeLinear quantises")
    levels, = evaluated(node, [x.levels, *(_levels(node, index) for index in range(1, len(node.inputs)))])
    return SingleElement(builder.subject, x.value, levels.astype(np.float32))


def _levels(node, index):
    """What a constant single number, or nothing, is to the evaluator."""
    x = node.inputs[index]
    if x is None:
        return None
    values = reals(node.constant(index, "a second input"))
    else_floats(values.size == 1, f"has a second input, {node.names[index]!r}, of {values.size} numbers, expected one")
    return values.reshape(()).astype(np.float32)


def _alike(builder, node):
    """Both operands as functions of the elements of one value, or None where they are none."""
    operands = []
    for index, x in enumerate(node.inputs):
        if isinstance(x, Constant):
            if x.data.size != 1:
                return None
            operands.append(_levels(node, index))
            continue
        operand = node.single_element(index, builder)
        if operand is None or operand.value.shape != node.shape:
            return None
        operands.append(operand)
    values = [operand.value for operand in operands if isinstance(operand, SingleElement)]
    same = {(value.tensor.index, value.order, value.source) for value in values}
    if len(same) != 1:
        return None
    levels, = evaluated(node, [operand.levels if isinstance(operand, SingleElement) else operand
                               for operand in operands])
    return SingleElement(builder.subject, values[0], levels.astype(np.float32))


def two_operands(kind):
    """An operator of two inputs; of functions of the same elements, or with a number, it is one more such function."""
    def function(builder, node):
        result = _alike(builder, node)
        if result is not None:
            return result
        for index, x in enumerate(node.inputs):
            if not isinstance(x, Constant):
                node.value(builder, index)  # refuses what nothing quantises
        else_floats(kind is not None,
                    "has two computed inputs that are not of the same elements, or a constant of several")
        for index, x in enumerate(node.inputs):
            if isinstance(x, Constant) and x.scale is None:
                return _by_channels(builder, node, 1 - index, kind)
        view = node.where_images()
        return Pending(builder.subject, kind, [node.operand(builder, index) for index in range(2)], node.shape,
                       view=view)
    return function


def _by_channels(builder, node, index, kind):
    """An input and a float constant for each channel."""
    values = reals(node.inputs[1 - index])
    rank = len(node.shape)
    sizes = (1,) * (rank - values.ndim) + values.shape
    channels = [size if axis == 1 else 1 for axis, size in enumerate(node.shape)]
    else_floats(rank >= 2 and list(sizes) == channels and kind in ("ADD", "SUB", "MUL"),
                f"has a float constant, {node.names[1 - index]!r}, of shape {list(values.shape)}, expected int8 into "
                "DequantizeLinear, or for Add, Sub and Mul a number for each channel")
    values = values.reshape(-1)
    if kind == "MUL":
        return per_channel(builder, node, index, values, 0)
    if kind == "ADD" or index == 1:  # the constant less the input
        return per_channel(builder, node, index, 1 if kind == "ADD" else -1, values)
    return per_channel(builder, node, index, 1, -values)


def extreme(kind):
    """Max or Min: of what is quantised as the result is."""
    inner = two_operands(kind)

    def function(builder, node):
        else_floats(len(node.inputs) == 2, f"has {len(node.inputs)} inputs, expected two")
        result = inner(builder, node)
        return replace(result, uniform=True) if isinstance(result, Pending) else result
    return function


def relu(builder, node):
    """Confines the operator before it."""
    return _confined(builder, node, 0, math.inf)


def clip(builder, node):
    """Likewise."""
    return _confined(builder, node, node.real(1, -math.inf, "a bound"), node.real(2, math.inf, "a bound"))


def _confined(builder, node, low, high):
    x = node.inputs[0]
    if isinstance(x, Pending):
        return replace(x, low=min(max(low, x.low), high), high=max(min(high, x.high), low))
    x = node.single_element(0, builder)
    else_floats(x is not None, f"has a constant input, {node.names[0]!r}")
    return x.confined(low, high)


def prelu(builder, node):
    """x where it is positive, else x times a constant for each channel, which is quantised to 8 bits if it is not."""
    result = _alike(builder, node)
    if result is not None:
        return result
    slopes = node.constant(1, "slopes")
    if slopes.scale is None:
        scale = max(float(np.abs(slopes.data).max()) / 127, 1e-20)
        slopes = replace(slopes, data=np.rint(slopes.data / scale).astype(np.int8), scale=np.float32([scale]),
                         zero_point=np.zeros(1, np.int64))
    node.inputs[1], view = slopes, node.where_images()
    return Pending(builder.subject, "PRELU", [node.operand(builder, index) for index in range(2)], node.shape,
                   view=view)


def softmax(builder, node):
    """Over the channels of an image, else over the last dimension."""
    rank, axis = len(node.shape), node.axis(-1)
    else_floats(axis == canonical(rank)[-1], f"has axis {axis} of {rank}, expected {canonical(rank)[-1]}")
    return Pending(builder.subject, "SOFTMAX", [builder.stored(node.value(builder, 0))], node.shape, {"beta": 1.0},
                   fixed=Quantisation(1 / 256, -128))
