"""The command as a user types it: answers, JSON, and one sentence for everything that is wrong."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from systolith.host.cli import main


@pytest.fixture
def systolith():
    def call(*words, code=0):
        result = CliRunner().invoke(main, [str(w) for w in words])
        assert result.exit_code == code, result.output
        if code:
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result
    return call


def refused(result, *parts):
    """Checks that the only thing said on standard error is one sentence that names the parts."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: "), result.stderr
    for part in parts:
        assert str(part) in lines[0], (part, lines[0])


def run_model_json(systolith, model, *words):
    return json.loads(systolith("run", model, "--device", "model", "--json", *words).stdout)


def test_run_reports_under_stable_names(systolith, digits, tmp_path):
    held_out = np.load(digits / "digits.npz")
    np.savez(tmp_path / "x.npz", x=held_out["x"][:40])
    report = run_model_json(systolith, digits / "digits.tflite", "--input", tmp_path / "x.npz", "--config", "nano",
                            "--output", tmp_path / "y.npz", "--check")
    assert report["model"] == "digits" and report["config"] == "nano" and report["device"] == "model"
    assert report["inputs"] == 40 and report["mismatches"] == 0 and report["outputs_equal"] is True
    assert set(report) >= {"cycles", "ideal_cycles", "utilisation", "layers", "host_operators"}
    assert set(report["layers"][0]) == {"name", "op", "unit", "cycles", "macs", "utilisation", "counters", "breakdown"}
    assert [h["op"] for h in report["host_operators"]] == ["SOFTMAX"]
    y = np.load(tmp_path / "y.npz")["y"]
    assert y.dtype == np.int8 and (y.reshape(40, -1).argmax(axis=1) == held_out["labels"][:40]).mean() > 0.95



def test_bench_measures_each_configuration(systolith, digits):
    words = "bench", "models", digits / "digits.tflite", "--config", "nano", "--config", "pico", "--device", "cycles"
    report = json.loads(systolith(*words, "--json").stdout)
    assert [row["config"] for row in report["models"]] == ["nano", "pico"]
    nano, pico = (row["cycles"] for row in report["models"])
    assert 0 < nano < pico
    assert all(row["utilisation"] == pytest.approx(row["ideal_cycles"] / row["cycles"], abs=1e-3)
               for row in report["models"])
    table = systolith(*words).stdout
    assert "nano" in table and "pico" in table and f"{pico:,}" in table

def test_run_says_where_the_cycles_went_by_layer(systolith, digits):
    words = "run", digits / "digits.tflite", "--device", "cycles", "--config", "nano"
    report = json.loads(systolith(*words, "--json").stdout)
    layers = [layer for layer in report["layers"] if layer["cycles"]]
    assert {layer["op"] for layer in layers} > {"CONV_2D", "FULLY_CONNECTED"}
    for line in (report, *layers):
        rows = line["breakdown"]
        assert list(rows) == ["array_active", "useful_macs", "unused_macs", "weight_stall", "weight_shift",
                              "non_matrix", "raw_stall", "input_stall"]
        parts = sum(rows[name] for name in ("array_active", "weight_stall", "weight_shift", "non_matrix"))
        assert parts == pytest.approx(100) and all(0 <= share <= 100 for share in rows.values())
        assert rows["useful_macs"] + rows["unused_macs"] == pytest.approx(rows["array_active"])
        assert rows["raw_stall"] + rows["input_stall"] <= rows["non_matrix"] + 0.02
        assert line["cycles"] == line["counters"]["cycles"]
    assert report["breakdown"]["unused_macs"] > 1
    assert sum(layer["counters"]["array_active"] for layer in layers) == report["counters"]["array_active"]
    text = systolith(*words).stdout
    assert "whole inference" in text and "0 CONV_2D" in text


def test_run_without_input_says_so(systolith, digits):
    result = systolith("run", digits / "digits.tflite", "--device", "model", "--seed", 3)
    assert "one random input, seed 3" in result.stdout


def test_compile_then_run_the_program(systolith, digits, tmp_path):
    systolith("compile", digits / "digits.tflite", "-o", tmp_path / "p", "--config", "nano")
    systolith("run", tmp_path / "p", "--device", "model", "--config", "nano", "--output", tmp_path / "a.npz")
    systolith("run", digits / "digits.tflite", "--device", "model", "--config", "nano", "--output", tmp_path / "b.npz")
    assert np.array_equal(np.load(tmp_path / "a.npz")["y"], np.load(tmp_path / "b.npz")["y"])
    listing = systolith("disasm", tmp_path / "p").stdout
    assert "Convolve" in listing and listing.strip().endswith("Halt")


def test_a_picture_is_an_input(systolith, digits, tmp_path):
    Image.fromarray(np.full((30, 20), 200, np.uint8)).save(tmp_path / "x.png")
    assert run_model_json(systolith, digits / "digits.tflite", "--input", tmp_path / "x.png")["inputs"] == 1


def test_info_tells_the_instruction_table(systolith):
    info = json.loads(systolith("info", "--config", "v1", "--json").stdout)
    assert info["macs_per_cycle"] == 65536 and info["unified_buffer_bytes"] == 24 << 20
    assert "Convolve" in [row["name"] for row in info["instructions"]]
    assert [p["name"] for p in info["presets"]] == ["pico", "nano", "edge", "v1"]


def test_verilog_goes_beside_its_description(systolith, tmp_path):
    systolith("verilog", "--config", "pico", "-o", tmp_path / "pico.v")
    facts = json.loads((tmp_path / "pico.json").read_text())
    assert "module systolith" in (tmp_path / "pico.v").read_text()
    assert facts["config"]["rows"] == 4 and "rx__payload" in [p["name"] for p in facts["ports"]]


@pytest.mark.parametrize("content, part", [(b"", "not a TensorFlow Lite"),
                                           (b"hello world, this is no model", "not a TensorFlow Lite"),
                                           (bytes(range(256)) * 40, "not a TensorFlow Lite"),
                                           (b"\x1c\0\0\0TFL3" + bytes(range(200)), "damaged")])
def test_what_is_no_model_is_refused(systolith, tmp_path, content, part):
    (tmp_path / "m.tflite").write_bytes(content)
    refused(systolith("run", tmp_path / "m.tflite", "--device", "model", code=1), "model m ", part)


def test_a_truncated_model_is_refused(systolith, digits, tmp_path):
    data = (digits / "digits.tflite").read_bytes()
    for length in (10, 100, 1000, len(data) // 2, len(data) - 100):
        (tmp_path / "m.tflite").write_bytes(data[:length])
        refused(systolith("compile", tmp_path / "m.tflite", "-o", tmp_path / "p", code=1), "model m ")
        assert not (tmp_path / "p").exists()


def test_a_missing_file_is_refused(systolith, digits, tmp_path):
    refused(systolith("run", tmp_path / "none.tflite", code=1), "none.tflite")
    refused(systolith("run", digits / "digits.tflite", "--input", tmp_path / "x.npz", code=1), "x.npz", "not exist")
    refused(systolith("disasm", tmp_path / "none", code=1), "none")


@pytest.mark.parametrize("array, parts", [
    (np.zeros((2, 8, 9, 1), np.int8), ("shape [1, 8, 8, 1]", "[2, 8, 9, 1]")),
    (np.zeros((2, 8, 8, 1), np.float32), ("int8", "float32")),
    (np.zeros((0, 8, 8, 1), np.int8), ("shape", "[0, 8, 8, 1]")),
])
def test_an_input_of_the_wrong_shape_or_type_is_refused(systolith, digits, tmp_path, array, parts):
    np.savez(tmp_path / "x.npz", x=array)
    result = systolith("run", digits / "digits.tflite", "--input", tmp_path / "x.npz", "--device", "model",
                       "--output", tmp_path / "y.npz", code=1)
    refused(result, *parts)
    assert not (tmp_path / "y.npz").exists()


def test_an_input_file_without_the_array_is_refused(systolith, digits, tmp_path):
    np.savez(tmp_path / "x.npz", z=np.zeros(3))
    refused(systolith("run", digits / "digits.tflite", "--input", tmp_path / "x.npz", code=1), "'x'", "it has z")
    (tmp_path / "x.npz").write_bytes(b"PK nonsense")
    refused(systolith("run", digits / "digits.tflite", "--input", tmp_path / "x.npz", code=1), "x.npz")
    (tmp_path / "x.png").write_bytes(b"nonsense")
    refused(systolith("run", digits / "digits.tflite", "--input", tmp_path / "x.png", code=1), "x.png")


def test_a_program_for_another_configuration_or_damaged_is_refused(systolith, digits, tmp_path):
    systolith("compile", digits / "digits.tflite", "-o", tmp_path / "p", "--config", "nano")
    refused(systolith("run", tmp_path / "p", "--device", "model", code=1), "'nano'", "'edge'")
    data = bytearray((tmp_path / "p").read_bytes())
    data[-100] ^= 4
    (tmp_path / "p").write_bytes(data)
    refused(systolith("run", tmp_path / "p", "--device", "model", "--config", "nano", code=1), "damaged")


@pytest.mark.parametrize("text, part", [("rows = 0", "rows must be between"), ("rows = 'x'", "whole number"),
                                        ("colour = 1", "'colour' is not a parameter"), ("rows = [", "not TOML"),
                                        ("base = 'huge'", "base must be one of"),
                                        ("rows = 8\ncols = 8\nrequantise_lanes = 8", "requantise_lanes must be")])
def test_a_wrong_configuration_is_refused(systolith, tmp_path, text, part):
    (tmp_path / "c.toml").write_text(text)
    refused(systolith("info", "--config", tmp_path / "c.toml", code=1), part, "c.toml")


def test_an_unknown_configuration_is_refused(systolith):
    refused(systolith("info", "--config", "giant", code=1), "'giant'", "edge")


def test_a_configuration_file_may_change_a_preset(systolith, tmp_path):
    (tmp_path / "c.toml").write_text("base = 'edge'\nrows = 12\ncols = 10\nrequantise_lanes = 5\n")
    assert json.loads(systolith("info", "--config", tmp_path / "c.toml", "--json").stdout)["macs_per_cycle"] == 120
