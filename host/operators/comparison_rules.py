"""What must hold of the tensors of comparisons, and of operators on truth values: see `checks`."""

import numpy as np

from .need import broadcast_shape, need

__all__ = ["COMPARISONS", "LOGICAL", "compared", "logical", "selected", "truth_values"]

COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")
LOGICAL = ("LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR")


def truth_values(operator):
    """Numbers of the tensors that hold truth values."""
    inputs = operator.inputs if operator.kind in LOGICAL else operator.inputs[:operator.kind == "SELECT_V2"]
    return {*inputs, *(operator.outputs if operator.kind in COMPARISONS + LOGICAL else ())}


def compared(_options, output, a, b):
    need(output.dtype == np.bool_, f"compares into {output.dtype}, expected bool")
    # The reference takes a scale as a factor of this size.
    need(max(a.scale[0], b.scale[0]) < 1, "compares scales of 1 or more, expected less")
    return broadcast_shape(a.shape, b.shape)


def logical(_options, output, *tensors):
    need(all(tensor.dtype == np.bool_ for tensor in (output, *tensors)), "works on other than truth values")
    return broadcast_shape(tensors[0].shape, tensors[-1].shape)


def selected(_options, _output, condition, a, b):
    need(condition.dtype == np.bool_, f"has a condition of {condition.dtype}, expected bool")
    return broadcast_shape(condition.shape, broadcast_shape(a.shape, b.shape))
