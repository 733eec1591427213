"""SOFTMAX in fixed point.

Numbers are named by their format: Qi.f has i integer bits and f fraction bits beside the sign.

Source of the idea: gemmlowp's `exp_on_negative_values` and `one_over_one_plus_x_for_x_in_0_1`, whose results these
reproduce bit for bit.
"""

import numpy as np
from systolith.sim.arithmetic import INT32_MAX, INT32_MIN, quantise_multiplier, rdbpot, srdhm

__all__ = ["softmax"]

_INTEGER_BITS = 5
_FRACTION_BITS = 31 - _INTEGER_BITS
#: e**-(2**k) in Q0.31.
_POWERS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
_EXP_MINUS_EIGHTH = 1895147668
_THIRD = 715827883


def _saturate32(x):
    return np.clip(x, INT32_MIN, INT32_MAX)


def _exp(a):
    """e**a for a <= 0: from Q5.26 to Q0.31."""
    quarter = 1 << (_FRACTION_BITS - 2)
    within = (a & (quarter - 1)) - quarter
    # Around -1/8, the middle of the quarter, the fourth-order Taylor series is exact enough.
    x = _saturate32(within << _INTEGER_BITS) + (1 << 28)
    x2 = srdhm(x, x)
    x3, x4 = srdhm(x2, x), srdhm(x2, x2)
    series = x + rdbpot(srdhm(rdbpot(x4, 2) + x3, _THIRD) + x2, 1)
    result = _EXP_MINUS_EIGHTH + srdhm(_EXP_MINUS_EIGHTH, series)
    remainder = within - a
    for exponent, factor in _POWERS:
        chosen = remainder >> (_FRACTION_BITS + exponent) & 1
        result = np.where(chosen, srdhm(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _reciprocal(a):
    """1 / (1 + a) for a in [0, 1): Q0.31, by three steps of Newton and Raphson."""
    doubled = a + INT32_MAX
    half = (doubled + 1) >> 1
    x = 1515870810 + srdhm(half, -1010580540)
    for _ in range(3):
        x = x + _saturate32(srdhm(x, (1 << 29) - srdhm(half, x)) << 2)
    return _saturate32(x << 1)


def softmax(node, x):
    """e**(beta x) over its sum, along the last dimension."""
    beta, scale = float(np.float32(node.options["beta"])), float(node.inputs[0].scale[0])
    factor = min(beta * scale * (1 << _FRACTION_BITS), float(INT32_MAX))
    multiplier, shift = (int(value) for value in quantise_multiplier(factor))
    least = -int(((1 << _INTEGER_BITS) - 1) * 2.0 ** (_FRACTION_BITS - shift))
    difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    counts = difference >= least
    powers = np.where(counts, _exp(srdhm(np.where(counts, difference, 0) << shift, multiplier)), 0)
    total = rdbpot(powers, 12).sum(axis=-1, keepdims=True)
    zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    scaled = srdhm(_reciprocal((total << zeros) - (1 << 31)), powers)
    return np.where(counts, node.clamp(rdbpot(scaled, 12 - zeros + 31 - 8) - 128), -128)
