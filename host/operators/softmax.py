"""SOFTMAX in fixed point."""

import numpy as np
from systolith.sim.arithmetic import INT32_MAX, quantise_multiplier, rdbpot, srdhm

from .fixed_point import exponential, reciprocal

__all__ = ["softmax"]

_INTEGER_BITS = 5
_FRACTION_BITS = 31 - _INTEGER_BITS


def softmax(node, x):
    """e**(beta x) over its sum, along the last dimension."""
    beta, scale = float(np.float32(node.options["beta"])), float(node.inputs[0].scale[0])
    factor = min(beta * scale * (1 << _FRACTION_BITS), float(INT32_MAX))
    multiplier, shift = (int(value) for value in quantise_multiplier(factor))
    least = -int(((1 << _INTEGER_BITS) - 1) * 2.0 ** (_FRACTION_BITS - shift))
    difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    counts = difference >= least
    scaled = srdhm(np.where(counts, difference, 0) << shift, multiplier)
    powers = np.where(counts, exponential(scaled, _INTEGER_BITS), 0)
    total = rdbpot(powers, 12).sum(axis=-1, keepdims=True)
    zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    scaled = srdhm(reciprocal((total << zeros) - (1 << 31)), powers)
    return np.where(counts, node.clamp(rdbpot(scaled, 12 - zeros + 31 - 8) - 128), -128)
