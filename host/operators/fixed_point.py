"""Exponential and quotients in fixed point, of which SOFTMAX, LOGISTIC and TANH are made.

Numbers are named by their format: Qi.f has i integer bits and f fraction bits beside the sign, together 31.

Source of the idea: gemmlowp's `exp_on_negative_values`, `one_over_one_plus_x_for_x_in_0_1` and
`one_minus_x_over_one_plus_x_for_x_in_0_1`, whose results these reproduce bit for bit.
"""

import numpy as np
from systolith.sim.arithmetic import INT32_MAX, INT32_MIN, rdbpot, srdhm

__all__ = ["exponential", "quotient", "reciprocal"]

#: e**-(2**k) in Q0.31.
_POWERS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
_EXP_MINUS_EIGHTH = 1895147668
_THIRD = 715827883


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
