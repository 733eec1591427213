"""A build goes through its stages once for the same content, and says what does not fit."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from systolith.rtl.config import PRESETS
from systolith.synth import build as build_module
from systolith.synth.boards import BOARDS, BoardError
from systolith.synth.build import build
from systolith.synth.routing import RIPUP, StuckError
from systolith.synth.tools import ToolError
from systolith.synth.top import CHIP, Design

REPORTS = Path(__file__).parent / "fpga_reports"

# What the streams of the chip look like when nothing is between them.
LOOPBACK = f"""
module {CHIP}(input clk, input rst, input [7:0] rx__payload, input rx__valid, output rx__ready,
              output [7:0] tx__payload, output tx__valid, input tx__ready);
  assign {{tx__payload, tx__valid, rx__ready}} = {{rx__payload, rx__valid, tx__ready}};
endmodule
"""


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """Stands in for the tools: writes what they wrote for a small design, and notes what was called."""
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path / "cache"))
    called = []

    def synthesise(verilog, top, part, folder, **_):
        called.append("synthesise")
        (folder / "synthesis.log").write_text("")
        return Path(shutil.copy(REPORTS / "ecp5.netlist.json", folder / "top.json"))

    def arrange(part, folder, **_):
        called.append("arrange")

    def place_and_route(part, folder, **_):
        called.append("route")
        (folder / "route.log").write_text("")
        shutil.copy(REPORTS / "ecp5.report.json", folder / "report.json")

    def pack(part, folder, **_):
        called.append("pack")
        (folder / "top.bit").write_bytes(b"bits")

    for function in synthesise, arrange, place_and_route, pack:
        monkeypatch.setattr(build_module, function.__name__, function)
    monkeypatch.setattr(build_module, "version", lambda tool: f"{tool} 1")
    monkeypatch.setattr(build_module, "prepare", lambda board, config, freq, baud: Design(
        f"{config} {baud}", "top", "pins", freq))
    return called


def test_two_builds_keep_out_of_each_other_s_folder(stages, tmp_path):
    board, folder = BOARDS["ulx3s-85f"], tmp_path / "one"
    folder.mkdir()
    with FileLock(folder / ".lock"):
        with pytest.raises(ToolError, match="another build is at work in .*one: wait for it, or name another folder"):
            build(board, folder)
        assert stages == []
        build(board, tmp_path / "other")
    assert build(board, folder)["board"] == "ulx3s-85f"


def test_the_report(stages, tmp_path):
    seen = []
    report = build(BOARDS["ulx3s-85f"], tmp_path / "out", progress=lambda stage, line: seen.append(stage))
    assert stages == ["synthesise", "arrange", "route", "pack"] and seen == ["elaborate"]
    assert set(report) >= {"board", "config", "macs", "fmax_mhz", "peak_gops", "lut", "ff", "dsp", "bram",
                           "critical_path"}
    assert report["board"] == report["config"] == "ulx3s-85f" and report["macs"] == 256
    assert report["fmax_mhz"] == 147.15 and report["peak_gops"] == round(2 * 256 * 147.15 / 1000, 2)
    assert report["timing_met"] and report["clock_mhz"] == BOARDS["ulx3s-85f"].freq
    assert Path(report["bitstream"]).read_bytes() == b"bits" and json.dumps(report)


def test_the_same_is_built_once(stages, tmp_path):
    board = BOARDS["ulx3s-85f"]
    first = build(board, tmp_path / "a")
    again = build(board, tmp_path / "b")
    assert stages == ["synthesise", "arrange", "route", "pack"]
    assert (tmp_path / "b" / "top.bit").read_bytes() == b"bits"
    assert {**first, "bitstream": ""} == {**again, "bitstream": ""}


def test_another_seed_needs_no_synthesis_and_another_chip_does(stages, tmp_path):
    board = BOARDS["ulx3s-85f"]
    build(board, tmp_path)
    stages.clear()
    build(board, tmp_path, seed=board.seed + 1)
    assert stages == ["route", "pack"]
    stages.clear()
    build(board, tmp_path, config=PRESETS["pico"])
    assert stages == ["synthesise", "arrange", "route", "pack"]


def test_a_clock_that_was_missed_is_told(stages, tmp_path):
    assert not build(BOARDS["ulx3s-85f"], tmp_path, freq=200)["timing_met"]


def test_a_chip_too_large_is_told_by_how_much(stages, tmp_path, monkeypatch):
    def place_and_route(part, folder, **_):
        (folder / "route.log").write_text("".join(f"Info: \t{line}%\n" for line in (
            "  TRELLIS_COMB:      70/  83640     0", "    TRELLIS_FF:      80/  83640     0",
            "    MULT18X18D:     440/    156   282", "        DP16KD:     259/    208   124")))
        raise ToolError("nextpnr-ecp5 failed")

    monkeypatch.setattr(build_module, "place_and_route", place_and_route)
    with pytest.raises(BoardError, match="edge does not fit ulx3s-85f: it takes DSP 440 of 156, BRAM 259 of 208$"):
        build(BOARDS["ulx3s-85f"], tmp_path, config=PRESETS["edge"])


def test_another_failure_of_the_router_stays_one(stages, tmp_path, monkeypatch):
    def place_and_route(part, folder, **_):
        (folder / "route.log").write_text("ERROR: no such pin\n")
        raise ToolError("nextpnr-ecp5 failed (ERROR: no such pin)")

    monkeypatch.setattr(build_module, "place_and_route", place_and_route)
    with pytest.raises(ToolError, match="no such pin"):
        build(BOARDS["ulx3s-85f"], tmp_path)


@pytest.fixture
def router(stages, monkeypatch):
    """A router that gets stuck; `ends` holds those (seed, whether late connections are routed again) with which not."""
    tried, ends, route = [], set(), build_module.place_and_route

    def place_and_route(part, folder, *, seed, options, **arguments):
        tried.append((seed, RIPUP in options))
        if tried[-1] not in ends:
            (folder / "route.log").write_text("")
            raise StuckError(f"seed {seed}: stuck")
        route(part, folder, **arguments)

    monkeypatch.setattr(build_module, "place_and_route", place_and_route)
    return tried, ends


def test_where_the_router_gets_stuck_another_seed_is_tried(router, tmp_path):
    (tried, ends), board, lines = router, BOARDS["ulx3s-85f"], []
    ends.add((board.seed + 2, True))
    assert build(board, tmp_path, progress=lambda stage, line: lines.append(line))["seed"] == board.seed + 2
    assert tried == [(board.seed + i, True) for i in range(3)]
    assert [line for line in lines if "stuck" in line] == [f"seed {seed}: stuck" for seed, _ in tried[:2]]
    assert build(board, tmp_path)["seed"] == board.seed + 2 and len(tried) == 3  # found at once


def test_where_no_seed_meets_the_clock_late_connections_stay(router, tmp_path):
    (tried, ends), board = router, BOARDS["ulx3s-85f"]
    ends.add((board.seed, False))
    assert build(board, tmp_path)["seed"] == board.seed
    assert tried == [*((board.seed + i, True) for i in range(3)), (board.seed, False)]
    assert build(board, tmp_path, freq=200)["seed"] == board.seed  # a clock that it misses


@pytest.mark.parametrize("speeds, tried_seeds", [((100, 108, 105), 3), ((100, 111, 150), 2)])
def test_where_a_seed_misses_the_clock_the_next_is_tried(stages, monkeypatch, tmp_path, speeds, tried_seeds):
    """The fastest counts, and the folder has its files."""
    board, tried, route = BOARDS["ulx3s-25f"], [], build_module.place_and_route

    def place_and_route(part, folder, *, seed, **arguments):
        tried.append(seed)
        route(part, folder, **arguments)
        report = json.loads((folder / "report.json").read_text())
        for clock in report["fmax"].values():
            clock["achieved"] = speeds[seed - board.seed]
        (folder / "report.json").write_text(json.dumps(report))

    monkeypatch.setattr(build_module, "place_and_route", place_and_route)
    for folder in tmp_path / "one", tmp_path / "again":
        report = build(board, folder, freq=110)
        assert (report["seed"], report["fmax_mhz"]) == (board.seed + 1, speeds[1])
        assert report["timing_met"] == (speeds[1] > 110) and f'"achieved": {speeds[1]}' in (
            folder / "report.json").read_text()
        assert tried == [board.seed + i for i in range(tried_seeds)]


def test_a_seed_that_was_asked_for_is_the_only_one(router, tmp_path):
    tried, _ = router
    with pytest.raises(StuckError, match="seed 9: stuck"):
        build(BOARDS["ulx3s-85f"], tmp_path, seed=9)
    assert tried == [(9, True), (9, False)]


@pytest.mark.fpga
@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_top_of_each_board_becomes_a_bitstream(board, tmp_path, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path / "cache"))
    prepare = build_module.prepare
    monkeypatch.setattr(build_module, "prepare", lambda *args: replace(prepare(*args), chip=LOOPBACK))
    report = build(board, tmp_path / "out", config=PRESETS["pico"])
    assert report["timing_met"] and report["lut"]["used"] > 30 and report["modules"]["uart"]["ff"] > 30
    assert len(report["clocks"]) == 1 and Path(report["bitstream"]).stat().st_size > 1000
