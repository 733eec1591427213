"""Comparisons, which make truth values, and what is done with these."""

import numpy as np
from systolith.sim.arithmetic import quantise_multiplier, requantise

__all__ = ["compare", "logical", "select"]

#: Bits below the inputs' units in which reals are compared.
_LEFT_SHIFT = 8


def compare(relation):
    """An operator that compares the reals of two tensors, each times its scale in fixed point.

    Source of the idea: `ComparisonWithScaling` of TensorFlow Lite's reference kernels.
    """
    def function(node, a, b):
        factors = (quantise_multiplier(float(tensor.scale[0])) for tensor in node.inputs)
        return relation(*(requantise(node.centred(index, x) << _LEFT_SHIFT, *factor)
                          for index, (x, factor) in enumerate(zip((a, b), factors))))
    return function


def logical(operation):
    """An operator on truth values."""
    return lambda _node, *values: operation(*values)


def select(_node, condition, a, b):
    """Elements of `a` where the condition holds, else of `b`, as they are: scales are not looked at."""
    return np.where(condition, a, b)
