"""L2_NORMALIZATION."""

import numpy as np
from systolith.sim.arithmetic import requantise, wrap32

from .fixed_point import inverse_root

__all__ = ["l2_normalization"]


def l2_normalization(node, x):
    """Each vector along the last dimension divided by its length, in units of 2**-7."""
    values = node.centred(0, x)
    multiplier, shift = inverse_root(wrap32((values * values).sum(axis=-1, keepdims=True)))
    return np.clip(requantise(values, multiplier, shift + 7), -128, 127)
