"""Operators that reduce: pooling over windows; sums, means and extremes over dimensions."""

import numpy as np
from systolith.sim.arithmetic import quantise_multiplier, requantise

from ..quantisation import rescale_factor

__all__ = ["average_pool_2d", "max_pool_2d", "mean", "reduce_max", "reduce_min", "sum_"]


def _kernel(node):
    return node.options["filter_h"], node.options["filter_w"]


def average_pool_2d(node, x):
    """Mean of the elements inside the image, halves away from zero."""
    total = sum(seen for *_, seen in node.taps(x.astype(np.int64), _kernel(node), 0))
    count = sum(seen for *_, seen in node.taps(np.ones_like(x, np.int64), _kernel(node), 0))
    return node.clamp(np.sign(total) * ((np.abs(total) + count // 2) // count))


def max_pool_2d(node, x):
    """Greatest element inside the image."""
    return node.clamp(np.maximum.reduce([seen for *_, seen in node.taps(x.astype(np.int64), _kernel(node), -128)]))


def _reduction(node, x, axes):
    """Over which dimensions, and whether they stay, with size 1."""
    return {"axis": tuple({int(axis) % x.ndim for axis in axes.reshape(-1)}), "keepdims": node.options["keep_dims"]}


def reduce_max(node, x, axes):
    """Greatest element over dimensions."""
    return x.max(**_reduction(node, x, axes))


def reduce_min(node, x, axes):
    """Least element over dimensions."""
    return x.min(**_reduction(node, x, axes))


def _sum(node, x, axes):
    total = node.centred(0, x).sum(**_reduction(node, x, axes))
    return total, x.size // max(1, total.size)


def sum_(node, x, axes):
    """Sum over dimensions."""
    total, _ = _sum(node, x, axes)
    return node.finish(total, rescale_factor(node.inputs[0], node.output))


def mean(node, x, axes):
    """Mean over dimensions: the division by the count goes into the multiplier."""
    total, count = _sum(node, x, axes)
    multiplier, shift = (int(value) for value in quantise_multiplier(rescale_factor(node.inputs[0], node.output)))
    more = min(count.bit_length() - 1, 32, 31 + shift)
    return node.clamp(requantise(total, (multiplier << more) // count, shift - more) + node.output.zero_point[0])
