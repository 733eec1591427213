"""The chip's integer arithmetic on numpy arrays, exact for every int32.

Models, compiler and host operators compute with these functions, so that there is one definition of each.
All broadcast, take anything numpy takes, work in 64 bits inside and return int64.

Source of the idea: the reference kernels of TensorFlow Lite and of gemmlowp, whose results these reproduce bit for bit.
"""

import numpy as np

__all__ = ["INT32_MAX", "INT32_MIN", "quantise_multiplier", "rdbpot", "requantise", "round_half_away", "srdhm",
           "wrap32"]

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1


def wrap32(x):
    """The low 32 bits of `x`, read as two's complement."""
    return ((np.asarray(x, np.int64) + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def srdhm(a, b):
    """Saturating rounding doubling high multiply: `a * b / 2**31`, halves rounded up.

    Only ``INT32_MIN * INT32_MIN`` saturates.
    """
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return np.minimum((product + (1 << 30)) >> 31, INT32_MAX)


def rdbpot(x, exponent):
    """Rounding divide by a power of two: ``x / 2**exponent``, halves rounded away from zero; exponent 0 to 31."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def requantise(x, multiplier, shift):
    """`x` times ``multiplier / 2**31 * 2**shift``, rounded as the activation unit rounds (twice).

    Parameters
    ----------
    x : array of int32
    multiplier : array of int32, not negative
        Fraction in units of 2**-31, as `quantise_multiplier` gives it.
    shift : array of int
        -31 to 30. A positive one shifts `x` left first, wrapping in 32 bits.
    """
    shift = np.asarray(shift, np.int64)
    shifted = wrap32(np.asarray(x, np.int64) << np.maximum(shift, 0))
    return rdbpot(srdhm(shifted, multiplier), np.maximum(-shift, 0))


def round_half_away(x):
    """The nearest whole number, halves away from zero (as C's `round`, unlike numpy's)."""
    x = np.asarray(x, np.float64)
    whole = np.trunc(x)
    return (whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0)).astype(np.int64)


def quantise_multiplier(real):
    """The multiplier and shift that stand for a real factor.

    Parameters
    ----------
    real : array of float64

    Returns
    -------
    (multiplier, shift) : arrays of int64
        ``real`` is about ``multiplier / 2**31 * 2**shift``; the multiplier is 0 or 2**30 to 2**31 - 1 (negated for a
        negative `real`). Factors below about 2**-32 become 0.
    """
    fraction, exponent = np.frexp(np.asarray(real, np.float64))
    multiplier = round_half_away(np.ldexp(fraction, 31))
    carry = np.abs(multiplier) == 1 << 31
    multiplier = np.where(carry, multiplier // 2, multiplier)
    shift = exponent.astype(np.int64) + carry
    vanishes = shift < -31
    return np.where(vanishes, 0, multiplier), np.where(vanishes, 0, shift)
