"""The rounding shift against its twin in systolith.sim.arithmetic."""

import numpy as np
from systolith.rtl.rounding_shift import RoundingShift
from systolith.sim.arithmetic import INT32_MAX, INT32_MIN, rdbpot
from test_requantise import CORNERS, stream_through


def test_rounds_halves_away_from_zero():
    rng = np.random.default_rng(0)
    right = np.concatenate([np.repeat(np.arange(32), len(CORNERS) + 4), rng.integers(0, 32, 1000)])
    value = rng.integers(INT32_MIN, INT32_MAX, len(right), endpoint=True) >> rng.integers(0, 32, len(right))
    ties = np.multiply.outer(1 << np.arange(31), [1, -1, 3, -3]) // 2
    listed = np.concatenate([np.tile(CORNERS, (32, 1)), np.vstack([ties[:1] * 0, ties])], axis=1).ravel()
    value[:len(listed)] = np.clip(listed, INT32_MIN, INT32_MAX)
    got = stream_through(RoundingShift(), {"value": value, "right": right})
    assert got.tolist() == rdbpot(value, right).tolist()
