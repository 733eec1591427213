"""What the rules of `checks` are written in: each function refuses, with one sentence, what does not hold."""

import numpy as np

from ..graph import ModelError

__all__ = ["axis_of", "broadcast_shape", "constant", "need", "number", "rank", "rescale"]


def need(condition, sentence):
    """Refuses an operator where the condition does not hold; the caller adds the sentence's subject, the operator."""
    if not condition:
        raise ModelError(sentence)


def constant(tensor, shape, long=False):
    """Data of an input that must be an int32 (if `long`, or int64) constant; None in the shape is any size."""
    matches = len(shape) == len(tensor.shape) and all(
        want in (None, size) for want, size in zip(shape, tensor.shape))
    need(tensor.data is not None and tensor.dtype in ((np.int32, np.int64) if long else (np.int32,)) and matches,
         f"needs tensor {tensor.index} to be an int32 constant of shape {list(shape)}, "
         f"not {tensor.dtype} of shape {list(tensor.shape)}")
    return tensor.data


def number(tensor, long=False):
    """Value of an input that must be one constant int32 (if `long`, or int64), of any rank."""
    need(tensor.data is not None and tensor.dtype in ((np.int32, np.int64) if long else (np.int32,))
         and tensor.data.size == 1,
         f"needs tensor {tensor.index} to be a single int32 constant, not {tensor.dtype} of shape {list(tensor.shape)}")
    return tensor.data.item()


def axis_of(axis, dimensions):
    """A dimension counted from the first, of one that may be counted from behind the last (-1 is the last)."""
    need(-dimensions <= axis < dimensions, f"has no dimension {axis} of {dimensions}")
    return axis % dimensions


def rank(tensor, dimensions):
    """Refuses a tensor of another number of dimensions."""
    need(len(tensor.shape) == dimensions,
         f"needs tensor {tensor.index} to have {dimensions} dimensions, not {len(tensor.shape)}")


def rescale(scale, output):
    """Refuses a scale too great for its output's: the multiplier's exponent has room for factors below 2**30."""
    need(float(scale) / float(output.scale[0]) < 1 << 30, "has an output scale less than 2**-30 of what it computes in")


def broadcast_shape(a, b):
    """The shape to which two shapes broadcast."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise ModelError(f"has inputs of shapes {list(a)} and {list(b)}, which do not broadcast") from None
