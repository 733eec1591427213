"""Constant folding: computes while a model is read what depends on shapes and integer constants alone.

Converters leave such operators where the batch is unknown: SHAPE, STRIDED_SLICE and PACK say what a RESHAPE makes, or
which size the FILL has that a recurrent layer begins with.
"""

import math

import numpy as np

from ..graph import ModelError
from ..operators.movement import strided_slice_indices

__all__ = ["FOLDABLE", "fold"]


def _axes(axes):
    return tuple(np.atleast_1d(axes).tolist())


def _strided_slice(options, x, begin, end, strides):
    return x[strided_slice_indices(options, begin, end, strides)]


def _slice(_options, x, begin, size):
    return x[tuple(slice(b, None if s < 0 else b + s) for b, s in zip(begin.tolist(), size.tolist()))]


def _reduced(function):
    return lambda options, x, axes: function(x, axis=_axes(axes), keepdims=options["keep_dims"])


#: Kind -> function of options and integer arrays. Results get the output's type and shape.
_FUNCTIONS = {
    "ADD": lambda _, a, b: a + b,
    "CAST": lambda _, x: x,
    "CONCATENATION": lambda options, *parts: np.concatenate(parts, options["axis"]),
    "EXPAND_DIMS": lambda _, x, axis: x,
    "FLOOR_DIV": lambda _, a, b: a // b,
    "GATHER": lambda options, x, places: np.take(x, places, options["axis"]),
    "MAXIMUM": lambda _, a, b: np.maximum(a, b),
    "MINIMUM": lambda _, a, b: np.minimum(a, b),
    "MUL": lambda _, a, b: a * b,
    "PACK": lambda options, *parts: np.stack(parts, options["axis"]),
    "REDUCE_PROD": _reduced(np.prod),
    "RESHAPE": lambda _, x, *shape: x,
    "SLICE": _slice,
    "SQUEEZE": lambda _, x: x,
    "STRIDED_SLICE": _strided_slice,
    "SUB": lambda _, a, b: a - b,
    "SUM": _reduced(np.sum),
}

#: A shape has few elements, a constant more; a damaged file may say anything.
_MOST_ELEMENTS = 1024
_MOST_FILLED = 1 << 20

#: Options of which folding knows nothing.
_NOT_FOLDED = ("ellipsis_mask", "new_axis_mask", "offset", "batch_dims")

#: Kinds of operators that `fold` knows.
FOLDABLE = frozenset((*_FUNCTIONS, "FILL", "SHAPE"))


def _is_integer(tensor):
    return tensor.dtype in (np.int32, np.int64) and math.prod(tensor.shape) <= _MOST_ELEMENTS


def fold(graph, operator):
    """Gives an operator's output its value, if that is known before any inference.

    Parameters
    ----------
    graph : Graph
        The output tensor becomes a constant.
    operator : Operator

    Returns
    -------
    bool
        Whether it did: then nothing has to execute the operator.

    Errors
    ------
    ModelError
        With a sentence whose subject, the operator, the caller adds: if the constants do not fit the operator.
    """
    tensors = [graph.tensors[index] for index in operator.inputs if index >= 0]
    if operator.kind not in FOLDABLE or len(operator.outputs) != 1 or not tensors:
        return False
    if operator.outputs[0] in graph.inputs or any(operator.options.get(name) for name in _NOT_FOLDED):
        return False
    output, = (graph.tensors[index] for index in operator.outputs)
    if output.data is not None:
        return False
    if operator.kind == "FILL":
        return _fill(output, *tensors)
    if not _is_integer(output):
        return False
    if operator.kind == "SHAPE":
        value = np.array(tensors[0].shape)
    elif all(tensor.data is not None and _is_integer(tensor) for tensor in tensors):
        try:
            with np.errstate(divide="raise", over="raise"):
                value = _FUNCTIONS[operator.kind](operator.options, *(tensor.data for tensor in tensors))
        except KeyError as error:
            raise ModelError(f"lacks the option {error.args[0]}") from None
        except (ArithmeticError, IndexError, TypeError, ValueError):
            raise ModelError("has constants that it cannot compute with") from None
    else:
        return False
    if np.size(value) != math.prod(output.shape):
        raise ModelError(f"has an output of shape {list(output.shape)}, expected {list(np.shape(value))}")
    output.data = np.asarray(value).astype(output.dtype).reshape(output.shape)
    return True


def _fill(output, *inputs):
    """`fold` of a FILL: one number, of whatever type, everywhere."""
    if len(inputs) != 2 or any(tensor.data is None for tensor in inputs) or not _is_integer(inputs[0]):
        return False
    shape, value = inputs[0].data.reshape(-1).tolist(), inputs[1].data
    if value.size != 1 or value.dtype != output.dtype or min(shape, default=1) < 1 or math.prod(shape) > _MOST_FILLED:
        raise ModelError(f"fills the shape {shape} with {value.size} numbers of {value.dtype}, expected one of "
                         f"{output.dtype} and at most {_MOST_FILLED} elements")
    if not output.sized:
        output.shape, output.sized = tuple(shape), True
    if output.shape != tuple(shape):
        raise ModelError(f"has an output of shape {list(output.shape)}, expected {shape}")
    output.data = np.full(shape, value.item(), value.dtype)
    return True
