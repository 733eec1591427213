"""Every operator that the host can execute, exact to the bit, in numpy.

The compiler gives the chip what it can; the rest runs here, and what the chip computes is tested against this.
"""

import numpy as np

from . import activation, comparison, convolution, elementwise, floats, movement, normalisation, pooling, resize
from .checks import check
from .node import Node
from .softmax import softmax

__all__ = ["SUPPORTED", "check", "evaluate"]

_FUNCTIONS = {
    "ABS": activation.abs_,
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pooling.average_pool_2d,
    "BATCH_MATMUL": convolution.batch_matmul,
    "BATCH_TO_SPACE_ND": movement.batch_to_space_nd,
    "BROADCAST_TO": movement.broadcast_to,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": convolution.conv_2d,
    "DEPTHWISE_CONV_2D": convolution.depthwise_conv_2d,
    "DEPTH_TO_SPACE": movement.depth_to_space,
    "DEQUANTIZE": activation.dequantize,
    "ELU": activation.elu,
    "EQUAL": comparison.compare(np.equal),
    "EXP": activation.exp,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": convolution.fully_connected,
    "GATHER": movement.gather,
    "GELU": activation.gelu,
    "GREATER": comparison.compare(np.greater),
    "GREATER_EQUAL": comparison.compare(np.greater_equal),
    "HARD_SWISH": activation.hard_swish,
    "L2_NORMALIZATION": normalisation.l2_normalization,
    "LEAKY_RELU": activation.leaky_relu,
    "LESS": comparison.compare(np.less),
    "LESS_EQUAL": comparison.compare(np.less_equal),
    "LOGICAL_AND": comparison.logical(np.logical_and),
    "LOGICAL_NOT": comparison.logical(np.logical_not),
    "LOGICAL_OR": comparison.logical(np.logical_or),
    "LOGISTIC": activation.logistic,
    "LOOKUP": activation.lookup,
    "MAXIMUM": elementwise.maximum,
    "MAX_POOL_2D": pooling.max_pool_2d,
    "MEAN": pooling.mean,
    "MINIMUM": elementwise.minimum,
    "MIRROR_PAD": movement.mirror_pad,
    "MUL": elementwise.mul,
    "NOT_EQUAL": comparison.compare(np.not_equal),
    "ONNX_FLOATS": floats.onnx_floats,
    "PACK": movement.pack,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "PRELU": elementwise.prelu,
    "QUANTIZE": activation.quantize,
    "REDUCE_MAX": pooling.reduce_max,
    "REDUCE_MIN": pooling.reduce_min,
    "RELU": activation.relu,
    "RELU6": activation.relu6,
    "RESHAPE": movement.reshape,
    "RESIZE_BILINEAR": resize.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize.resize_nearest_neighbor,
    "RSQRT": activation.rsqrt,
    "SELECT_V2": comparison.select,
    "SLICE": movement.slice_,
    "SOFTMAX": softmax,
    "SPACE_TO_BATCH_ND": movement.space_to_batch_nd,
    "SPACE_TO_DEPTH": movement.space_to_depth,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split_v,
    "SQUARED_DIFFERENCE": elementwise.squared_difference,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": elementwise.sub,
    "SUM": pooling.sum_,
    "TANH": activation.tanh,
    "TILE": movement.tile,
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": convolution.transpose_conv,
    "UNPACK": movement.unpack,
}

#: Kinds of operators that `evaluate` knows.
SUPPORTED = frozenset(_FUNCTIONS)


def evaluate(graph, operator, values):
    """Results of one operator.

    Parameters
    ----------
    graph : Graph
    operator : Operator
        With an option ``quantised_as``, the number of a tensor, its result is quantised as that and then goes through
        the option ``table`` (`systolith.host.compiler.rewrite.functions`).
    values : mapping from tensor number to array, for the inputs that are not constants
        An operator on single elements (an activation function, QUANTIZE) takes any shape.

    Returns
    -------
    list of arrays, one for each output of the operator, in its order
    """
    tensors = [graph.tensors[index] if index >= 0 else None for index in operator.inputs]
    arrays = [None if tensor is None else values[tensor.index] if tensor.data is None else tensor.data
              for tensor in tensors]
    outputs = [graph.tensors[index] for index in operator.outputs]
    fused = operator.options.get("quantised_as")
    made = outputs if fused is None else [graph.tensors[fused]]
    results = _FUNCTIONS[operator.kind](Node(operator.options, tensors, made), *arrays)
    results = results if isinstance(results, list) else [results]
    if fused is not None:
        results = [activation.lookup(Node(operator.options, made, outputs), results[0].astype(np.int8))]
    return [np.asarray(result).astype(output.dtype) for result, output in zip(results, outputs, strict=True)]
