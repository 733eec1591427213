"""Every operator that the host can execute, exact to the bit, in numpy.

The compiler gives the chip what it can; the rest runs here, and what the chip computes is tested against this.
"""

import numpy as np

from . import activation, convolution, elementwise, movement, pooling
from .checks import check
from .node import Node
from .softmax import softmax

__all__ = ["SUPPORTED", "check", "evaluate"]

_FUNCTIONS = {
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pooling.average_pool_2d,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": convolution.conv_2d,
    "DEPTHWISE_CONV_2D": convolution.depthwise_conv_2d,
    "DEQUANTIZE": activation.dequantize,
    "EXP": activation.exp,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": convolution.fully_connected,
    "HARD_SWISH": activation.hard_swish,
    "LEAKY_RELU": activation.leaky_relu,
    "LOGISTIC": activation.logistic,
    "MAXIMUM": elementwise.maximum,
    "MAX_POOL_2D": pooling.max_pool_2d,
    "MEAN": pooling.mean,
    "MINIMUM": elementwise.minimum,
    "MUL": elementwise.mul,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "QUANTIZE": activation.quantize,
    "RELU": activation.relu,
    "RELU6": activation.relu6,
    "RESHAPE": movement.reshape,
    "RESIZE_NEAREST_NEIGHBOR": movement.resize_nearest_neighbor,
    "SOFTMAX": softmax,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": elementwise.sub,
    "SUM": pooling.sum_,
    "TANH": activation.tanh,
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": convolution.transpose_conv,
}

#: Kinds of operators that `evaluate` knows.
SUPPORTED = frozenset(_FUNCTIONS)


def evaluate(graph, operator, values):
    """Results of one operator.

    Parameters
    ----------
    graph : Graph
    operator : Operator
    values : mapping from tensor number to array, for the inputs that are not constants
        An operator on single elements (an activation function, QUANTIZE) takes any shape.

    Returns
    -------
    list of arrays, one for each output of the operator
    """
    tensors = [graph.tensors[index] if index >= 0 else None for index in operator.inputs]
    arrays = [None if tensor is None else values[tensor.index] if tensor.data is None else tensor.data
              for tensor in tensors]
    output = graph.tensors[operator.outputs[0]]
    result = _FUNCTIONS[operator.kind](Node(operator.options, tensors, output), *arrays)
    return [np.asarray(result).astype(output.dtype)]
