"""The vectorised arithmetic against its definition, one Python integer at a time."""

import math
from fractions import Fraction

import numpy as np
import pytest
from systolith.sim.arithmetic import (
    INT32_MAX,
    INT32_MIN,
    quantise_multiplier,
    rdbpot,
    requantise,
    round_half_away,
    srdhm,
    wrap32,
)

CORNERS = [INT32_MIN, INT32_MIN + 1, -(1 << 30), -257, -2, -1, 0, 1, 2, 255, (1 << 30) - 1, 1 << 30, INT32_MAX - 1,
           INT32_MAX]


def operands(seed, count=2000):
    drawn = np.random.default_rng(seed).integers(INT32_MIN, INT32_MAX, count, endpoint=True)
    return np.concatenate([CORNERS, drawn >> np.random.default_rng(seed + 1).integers(0, 31, count)])


def away(fraction):
    """Nearest whole number of a Fraction, halves away from zero."""
    return int(math.copysign(math.floor(abs(fraction) + Fraction(1, 2)), fraction))


def test_srdhm_is_the_rounded_high_product():
    a = np.repeat(CORNERS, len(CORNERS))
    b = np.tile(CORNERS, len(CORNERS))
    expected = [min(math.floor(Fraction(int(x) * int(y), 1 << 31) + Fraction(1, 2)), INT32_MAX) for x, y in zip(a, b)]
    assert srdhm(a, b).tolist() == expected
    assert srdhm(INT32_MIN, INT32_MIN) == INT32_MAX


@pytest.mark.parametrize("exponent", range(32))
def test_rdbpot_rounds_halves_away_from_zero(exponent):
    x = np.concatenate([operands(exponent, 200), [1 << max(exponent - 1, 0), -(1 << max(exponent - 1, 0))]])
    assert rdbpot(x, exponent).tolist() == [away(Fraction(int(v), 1 << exponent)) for v in x]


@pytest.mark.parametrize("shift", [-31, -30, -7, -1, 0, 1, 8, 30])
def test_requantise_follows_its_definition(shift):
    x, q = operands(1), np.abs(operands(2)).clip(0, INT32_MAX)

    def definition(x, q):
        wrapped = ((x << max(shift, 0)) + (1 << 31)) % (1 << 32) - (1 << 31)
        return away(Fraction((wrapped * q + (1 << 30)) >> 31, 1 << max(-shift, 0)))

    assert requantise(x, q, shift).tolist() == [definition(int(a), int(b)) for a, b in zip(x, q)]


def test_requantise_broadcasts_channels():
    x = operands(3)[:12].reshape(3, 4)
    q, shift = np.array([1 << 30, INT32_MAX, 0, 1518500250]), np.array([2, -3, 0, -31])
    result = requantise(x.astype(np.int32), q.astype(np.int32), shift.astype(np.int8))
    assert result.dtype == np.int64
    for column in range(4):
        assert (result[:, column] == requantise(x[:, column], q[column], shift[column])).all()


@pytest.mark.parametrize("real, expected", [
    (0.0, (0, 0)), (1.0, (1 << 30, 1)), (0.5, (1 << 30, 0)), (1 - 2.0 ** -40, (1 << 30, 1)),
    (2.0 ** -32, (1 << 30, -31)), (2.0 ** -33, (0, 0)), (0.75 * 2.0 ** 12, (3 << 29, 12))])
def test_quantise_multiplier_corners(real, expected):
    assert tuple(int(v) for v in quantise_multiplier(real)) == expected


def test_quantise_multiplier_is_within_half_a_unit():
    real = np.exp(np.random.default_rng(4).uniform(-20, 20, 1000))
    q, shift = quantise_multiplier(real)
    assert ((q >= 1 << 30) & (q <= INT32_MAX)).all()
    for value, multiplier, exponent in zip(real, q, shift):
        error = Fraction(value) / Fraction(2) ** int(exponent) * (1 << 31) - int(multiplier)
        assert abs(error) <= Fraction(1, 2)


def test_round_half_away():
    assert round_half_away([0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, 3.2]).tolist() == [1, -1, 2, 3, -3, 0, 3]


def test_wrap32():
    assert wrap32([INT32_MAX + 1, INT32_MIN - 1, 1 << 40, -5]).tolist() == [INT32_MIN, INT32_MAX, 0, -5]
