"""Exponential, quotients and inverse root in fixed point: SOFTMAX, LOGISTIC, TANH, RSQRT and L2_NORMALIZATION.

Numbers are named by their format: Qi.f has i integer bits and f fraction bits beside the sign, together 31.

Source of the idea: gemmlowp's `exp_on_negative_values`, `one_over_one_plus_x_for_x_in_0_1` and
`one_minus_x_over_one_plus_x_for_x_in_0_1`, and TensorFlow Lite's `GetInvSqrtQuantizedMultiplierExp`, whose results
these reproduce bit for bit.
"""

import numpy as np
from systolith.sim.arithmetic import INT32_MAX, INT32_MIN, rdbpot, srdhm, wrap32

__all__ = ["exponential", "inverse_root", "quotient", "reciprocal"]

#: e**-(2**k) in Q0.31.
_POWERS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
_EXP_MINUS_EIGHTH = 1895147668
_THIRD = 715827883
_HALF_ROOT_TWO = 1518500250


def _saturate32(x):
    return np.clip(x, INT32_MIN, INT32_MAX)


def exponential(a, integer_bits):
    """e**a for a <= 0: from a format of so many integer bits to Q0.31."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within = (a & (quarter - 1)) - quarter
    # Around -1/8, the middle of the quarter, the fourth-order Taylor series is exact enough.
    x = _saturate32(within << integer_bits) + (1 << 28)
    x2 = srdhm(x, x)
    x3, x4 = srdhm(x2, x), srdhm(x2, x2)
    series = x + rdbpot(srdhm(rdbpot(x4, 2) + x3, _THIRD) + x2, 1)
    result = _EXP_MINUS_EIGHTH + srdhm(_EXP_MINUS_EIGHTH, series)
    remainder = within - a
    for exponent, factor in _POWERS:
        if exponent < integer_bits:
            chosen = remainder >> (fraction_bits + exponent) & 1
            result = np.where(chosen, srdhm(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _twice_reciprocal(a):
    """2 / (1 + a) for a in [0, 1), Q0.31: Q2.29, by three steps of Newton and Raphson."""
    half = (a + INT32_MAX + 1) >> 1
    x = 1515870810 + srdhm(half, -1010580540)
    for _ in range(3):
        x = x + _saturate32(srdhm(x, (1 << 29) - srdhm(half, x)) << 2)
    return x


def reciprocal(a):
    """1 / (1 + a) for a in [0, 1), both Q0.31."""
    return _saturate32(_twice_reciprocal(a) << 1)


def quotient(a):
    """(1 - a) / (1 + a) for a in [0, 1), both Q0.31."""
    return _saturate32((_twice_reciprocal(a) - (1 << 29)) << 2)


def inverse_root(a):
    """1 / sqrt(a), by five steps of Newton and Raphson.

    Parameters
    ----------
    a : array of int32
        What is less than 1 counts as 1.

    Returns
    -------
    (multiplier, shift) : arrays of int64, as `requantise` takes them
    """
    a = np.asarray(a, np.int64)
    great = a >= 1 << 29
    scaled = np.where(great, a >> 2, np.maximum(a, 2))
    pairs = (31 - np.frexp(scaled)[1].astype(np.int64)) // 2 - 1
    shift = 11 + great - pairs
    # Q3.28 from here on; the input lies between 1/4 and 1.
    half = rdbpot((scaled << 2 * pairs) >> 1, 1)
    x = np.int64(1 << 28)
    for _ in range(5):
        cube = _saturate32(srdhm(srdhm(x, x), x) << 6)
        x = _saturate32((srdhm(3 << 27, x) - srdhm(half, cube)) << 3)
    multiplier = wrap32(srdhm(x, _HALF_ROOT_TWO) << np.maximum(-shift, 0))
    return np.where(a <= 1, INT32_MAX, multiplier), np.where(a <= 1, 0, -np.maximum(shift, 0))
