"""Operators on corresponding elements of two tensors, which broadcast."""

import numpy as np
from systolith.sim.arithmetic import quantise_multiplier, requantise

from ..quantisation import ADD_LEFT_SHIFT, add_factors, multiply_factor

__all__ = ["add", "maximum", "minimum", "mul", "sub"]


def _in_common_unit(node, a, b):
    factor_a, factor_b, factor_out = add_factors(*node.inputs, node.output)
    values = (requantise(node.centred(index, x) << ADD_LEFT_SHIFT, *quantise_multiplier(factor))
              for index, (x, factor) in enumerate(((a, factor_a), (b, factor_b))))
    return (*values, factor_out)


def add(node, a, b):
    """Sum."""
    a, b, factor = _in_common_unit(node, a, b)
    return node.finish(a + b, factor)


def sub(node, a, b):
    """Difference."""
    a, b, factor = _in_common_unit(node, a, b)
    return node.finish(a - b, factor)


def mul(node, a, b):
    """Product."""
    return node.finish(node.centred(0, a) * node.centred(1, b), multiply_factor(*node.inputs, node.output))


def maximum(_node, a, b):
    """The greater of the stored values: both tensors and the output share one scale."""
    return np.maximum(a, b)


def minimum(_node, a, b):
    """The lesser of the stored values."""
    return np.minimum(a, b)
