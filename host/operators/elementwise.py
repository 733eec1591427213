"""Operators on corresponding elements of two tensors, which broadcast."""

import numpy as np
from systolith.sim.arithmetic import quantise_multiplier, requantise

from ..quantisation import ADD_LEFT_SHIFT, add_factors, multiply_factor, rescale_factor

__all__ = ["add", "maximum", "minimum", "mul", "prelu", "squared_difference", "squared_difference_factor", "sub"]

#: SQUARED_DIFFERENCE computes with this many bits below the inputs' units; the square just fits in 32 bits.
_SQUARE_LEFT_SHIFT = 7


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


def prelu(node, x, alpha):
    """x where it is positive, else x * alpha."""
    values = node.centred(0, x)
    positive = node.finish(values, rescale_factor(node.inputs[0], node.output))
    negative = node.finish(values * node.centred(1, alpha), multiply_factor(*node.inputs, node.output))
    return np.where(values >= 0, positive, negative)


def squared_difference_factor(a, b, output):
    """From the square of the difference in the common unit, twice the greater scale, to the output."""
    common = 2 * max(float(a.scale[0]), float(b.scale[0]))
    return common * common / ((1 << (2 * _SQUARE_LEFT_SHIFT)) * float(output.scale[0]))


def squared_difference(node, a, b):
    """Square of the difference."""
    factors = add_factors(*node.inputs, node.output)
    a, b = (requantise(node.centred(index, x) << _SQUARE_LEFT_SHIFT, *quantise_multiplier(factors[index]))
            for index, x in enumerate((a, b)))
    return node.finish((a - b) ** 2, squared_difference_factor(*node.inputs, node.output))
