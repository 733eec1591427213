"""The simulation of the matrix unit alone, whose columns are a library: products equal numpy's."""

import time

import numpy as np
import pytest
from systolith.rtl.config import PRESETS, Config
from systolith.sim.matrix_simulation import MatrixSimulation, build_matrix


def check_products(simulation, config, products):
    """Multiplies random matrices; returns simulated cycles."""
    rng = np.random.default_rng(config.rows)
    for _ in range(products):
        vectors = rng.integers(-128, 128, (config.rows, config.rows), np.int8)
        tile = rng.integers(-128, 128, (config.rows, config.cols), np.int8)
        accumulators, cycles = simulation.multiply(vectors, tile)
        assert np.array_equal(accumulators, vectors.astype(np.int32) @ tile.astype(np.int32))
        # The tile's rows, then the vectors, then their way through the array.
        assert cycles >= config.tile_beats + config.rows + config.cols
    return simulation.cycles


@pytest.mark.parametrize("path", [1, 2])
def test_small_products(path, tmp_path, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path))
    config = Config(rows=4, cols=6, requantise_lanes=3, accumulator_depth=16, weight_path_rows=path)
    simulation = MatrixSimulation(config, build_matrix(config))
    check_products(simulation, config, 3)
    simulation.close()


@pytest.mark.slow
def test_tpu_v1(tmp_path, monkeypatch, capsys):
    """256x256 by 256x256 on the whole array; `make sim-v1` runs this."""
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path))
    config = PRESETS["v1"]
    begin = time.perf_counter()
    simulation = MatrixSimulation(config, build_matrix(config))
    built, begin = time.perf_counter() - begin, time.process_time()
    cycles = check_products(simulation, config, 4)
    with capsys.disabled():
        print(f"\nv1's matrix unit: built in {built:.0f} s, {cycles / (time.process_time() - begin):,.0f} cycles a "
              f"second of processor time")
    simulation.close()
