"""What the lanes of activation and vector unit compute, a whole instruction at a time."""

import numpy as np
from systolith.rtl.isa import AVERAGE_FRACTION, Function

from .arithmetic import requantise

__all__ = ["PARAMETER_ROWS", "combine", "scale"]

_BIAS, _MULTIPLIER, _SHIFT = slice(0, 4), slice(4, 8), 8

#: Rows of a parameter set before the depthwise weights.
PARAMETER_ROWS = 9


def scale(sums, parameters, registers):
    """Bias, requantisation, zero point and clamp, by the parameter set of each column.

    Parameters
    ----------
    sums : array of int (..., cols)
    parameters : array of int8 (rows, cols)
        A parameter set as Read_Weights delivers it.
    registers : dict of int
        Configuration registers of the unit by name; of them `zero_point`, `minimum` and `maximum`.

    Returns
    -------
    array of int64 with the values of int8, the shape of `sums`
    """
    bias, multiplier = (np.ascontiguousarray(parameters[rows].T).view("<i4")[:, 0] for rows in (_BIAS, _MULTIPLIER))
    # The biased sum is not wrapped to 32 bits here: requantise does it.
    scaled = requantise(sums + bias.astype(np.int64), multiplier, parameters[_SHIFT])
    return _clamp(scaled + registers["zero_point"], registers)


def combine(function, vectors, parameters, registers, vector_taps):
    """The results that the vector unit's lanes would give at each step.

    Parameters
    ----------
    function : isa.Function
    vectors : array of int8 (steps, taps, cols)
        What was read, in order; for DEPTHWISE one a kernel row.
    parameters, registers
        As for `scale`.
    vector_taps : int
        Width of the depthwise window.

    Returns
    -------
    array of int64 (steps, cols) with the values of int8
    """
    vectors = vectors.astype(np.int64)
    match function:
        case Function.DEPTHWISE:
            return scale(_depthwise(vectors, parameters[PARAMETER_ROWS:], vector_taps), parameters, registers)
        case Function.SUM:
            return scale(vectors.sum(axis=1), parameters, registers)
        case Function.AVERAGE:
            return scale(vectors.sum(axis=1) << AVERAGE_FRACTION, parameters, registers)
        case Function.MAXIMUM:
            return _clamp(vectors.max(axis=1), registers)
    return _clamp(_element_wise(function, vectors[:, 0], vectors[:, -1], registers) + registers["zero_point"],
                  registers)


def _depthwise(vectors, weights, taps):
    """Weighted sums of each kernel row's last `taps` vectors; the window runs on from one row of x to the next."""
    weights = weights.reshape(-1, taps, weights.shape[-1])[:vectors.shape[1]]
    vectors = vectors[:, :len(weights)]
    run = np.concatenate([np.zeros((taps - 1, *vectors.shape[1:]), vectors.dtype), vectors])
    return sum(np.einsum("stc,tc->sc", run[k:k + len(vectors)], weights[:, k]) for k in range(taps))


def _element_wise(function, a, b, r):
    a, b = a - r["zero_point_a"], b - r["zero_point_b"]
    if function is Function.MULTIPLY:
        value = a * b
    else:
        a = requantise(a << 20, r["multiplier_a"], min(r["shift_a"], 0))
        b = requantise(b << 20, r["multiplier_b"], min(r["shift_b"], 0))
        value = a + b if function is Function.ADD else a - b
    return requantise(value, r["multiplier_out"], r["shift_out"])


def _clamp(values, r):
    return np.clip(values, r["minimum"], r["maximum"])
