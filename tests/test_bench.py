from systolith.host.bench import bench
from systolith.rtl.config import PRESETS


def test_the_cycle_model_is_measured_beside_the_chip(digits):
    path, nano = digits / "digits.tflite", PRESETS["nano"]
    chip, = bench([path], nano, "rtl", lambda *progress: None)
    assert chip["cycle_model_exact"] is True
    assert chip["cycle_model_speedup"] > chip["cycle_model_speedup_inference"] > 1
    assert chip["simulated_cycles"] > chip["cycles"]
    model, = bench([path], nano, "cycles", lambda *progress: None)
    assert model["cycles"] == chip["cycles"] and model["cycle_model_exact"] is None
