"""Tools are found natively first, else where pip put them; what they say is kept; what goes wrong is one sentence."""

import importlib.metadata
import json
import time

import pytest
from systolith.synth import tools
from systolith.synth.routing import RIPUP, StuckError, place_and_route
from systolith.synth.stages import Part
from systolith.synth.tools import ToolError, find, run, version


@pytest.fixture
def native(tmp_path, monkeypatch):
    """Puts a shell script on PATH as a tool."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")

    def make(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        return folder / name
    return make


@pytest.fixture
def nothing_native(monkeypatch):
    monkeypatch.setattr(tools.shutil, "which", lambda tool: None)


def test_a_native_tool_is_preferred(native):
    path = native("icepack", "echo icepack 1.2")
    assert find("icepack") == (str(path),) and version("icepack") == "icepack 1.2"


def test_a_tool_that_is_missing_is_named_with_what_installs_it(nothing_native, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)
    monkeypatch.setattr(tools, "distribution", missing)
    for function in find, version:
        with pytest.raises(ToolError, match=r"nextpnr-ecp5 is missing: .*pip install 'systolith\[fpga\]'"):
            function("nextpnr-ecp5")


def test_what_a_tool_says_goes_to_the_log_and_to_the_progress(native, tmp_path):
    native("icepack", 'echo "one $1"; echo two >&2; pwd')
    lines = []
    run("icepack", ["x"], tmp_path, "pack.log", lines.append)
    assert sorted(lines) == sorted(["one x", "two", str(tmp_path)])
    assert (tmp_path / "pack.log").read_text().splitlines() == lines


def test_a_failure_names_the_error_and_the_log(native, tmp_path):
    native("yosys", 'echo "ERROR: syntax error"; echo "ERROR: second"; exit 1')
    with pytest.raises(ToolError, match=r"yosys failed \(ERROR: syntax error\); all it said is in .*/y.log") as caught:
        run("yosys", [], tmp_path, "y.log")
    assert "second" not in str(caught.value)
    native("yosys", "exit 3")
    with pytest.raises(ToolError, match="exit code 3"):
        run("yosys", [], tmp_path, "y.log")


def test_what_the_progress_raises_stops_the_tool(native, tmp_path):
    native("icepack", "echo enough; exec sleep 60")

    def stop(line):
        raise ToolError(line)
    before = time.monotonic()
    with pytest.raises(ToolError, match="enough"):
        run("icepack", [], tmp_path, "pack.log", stop)
    assert time.monotonic() - before < 30


def test_a_router_that_does_not_end_is_stopped(native, tmp_path):
    native("nextpnr-ecp5", """
        for i in 1 2 119; do echo "Info:     iter=$i wires=9 overused=7 overuse=7 archfail=NA"; done
        [ "$1" = --fast ] || { echo "Info:     iter=120 wires=9 overused=5 overuse=5 archfail=NA"; exec sleep 60; }
        echo '{"fmax": {}}' > report.json; touch top.config""")
    part, lines = Part("ecp5", ("--fast",)), []
    assert place_and_route(part, tmp_path, freq=50, progress=lines.append) == {"fmax": {}} and len(lines) == 3
    with pytest.raises(ToolError, match="stopped after 120 rounds with 5 wires in use twice: seed 9 .* try another"):
        place_and_route(Part("ecp5", ("--slow",)), tmp_path, freq=50, seed=9)


def test_what_does_not_fit_is_in_the_log_of_the_first_run(native, tmp_path):
    native("nextpnr-ecp5", "echo too large; exit 1")
    with pytest.raises(ToolError):
        place_and_route(Part("ecp5", ()), tmp_path, freq=50, options=(RIPUP,))
    assert "too large" in (tmp_path / "route.log").read_text()


@pytest.mark.parametrize("options", [(), (RIPUP,)])
def test_cells_without_a_place_are_the_seed_s_fault(native, tmp_path, options):
    native("nextpnr-ecp5", 'echo "ERROR: Unable to find legal placement for all cells, probably full."; exit 1')
    with pytest.raises(StuckError, match="legal placement for all cells.*route.log; seed 7 leads there, try another"):
        place_and_route(Part("ecp5", ()), tmp_path, freq=50, seed=7, options=options)


def test_a_router_that_cannot_meet_the_clock_is_stopped(native, tmp_path):
    native("nextpnr-ecp5", """
        case "$*" in *--no-route*) touch placed.json; exit;; esac
        [ -f placed.json ] || exit 1
        for i in 119 120; do echo "Info:     iter=$i wires=9 overused=0 overuse=0 tmgfail=4 archfail=NA"; done
        exec sleep 60""")
    with pytest.raises(StuckError, match="with 0 wires in use twice and 4 connections late.* a lower clock"):
        place_and_route(Part("ecp5", ()), tmp_path, freq=50, options=(RIPUP,))
    assert not (tmp_path / "placed.json").exists()


@pytest.mark.parametrize("clocks, ends", [
    ("110.02", 110.02), ("stuck 110.02", 110.02), ("109.95 110.02", 110.02), ("109.8 109.95 109.9", 109.95),
    ("stuck 109.95 stuck", 109.95), ("stuck stuck stuck 104.4", 104.4), ("stuck stuck stuck 104.6", 104.6),
    ("stuck stuck stuck stuck 99.1", 99.1)])
def test_what_is_placed_is_routed_again(native, tmp_path, clocks, ends):
    (tmp_path / "clocks").write_text(clocks.replace(" ", "\n") + "\none too many")
    native("nextpnr-ecp5", """
        echo "$@" >> calls
        case "$*" in *--no-route*) echo '{"target_freq": "110000000.0"}' > placed.json; exit;; esac
        clock=$(head -n 1 clocks); sed -i 1d clocks; cat placed.json >> targets
        if [ "$clock" = stuck ]; then
            echo "Info:     iter=120 wires=9 overused=0 overuse=0 tmgfail=1 archfail=NA"; exec sleep 60
        fi
        echo '{"fmax": {"clk": {"achieved": '$clock'}}}' > report.json
        echo $clock > top.config""")
    lines = []
    report = place_and_route(Part("ecp5", ()), tmp_path, freq=110, seed=5, options=(RIPUP,), progress=lines.append)
    assert report["fmax"]["clk"]["achieved"] == ends
    placing, *routing = (tmp_path / "calls").read_text().splitlines()
    assert "--seed 5" in placing
    for number, call in enumerate(routing):
        assert f"--seed {5 + number}" in call and "--json placed.json" in call
    targets = [float(json.loads(line)["target_freq"]) for line in (tmp_path / "targets").read_text().splitlines()]
    assert targets == pytest.approx([111.65e6, 110.825e6, 110e6, 104.5e6, 99e6][:len(routing)])
    assert (tmp_path / "top.config").read_text().strip() == str(ends)
    assert len(routing) == len(clocks.split()) and all("; routed again" in line for line in lines)
    assert not (tmp_path / "placed.json").exists()


@pytest.mark.fpga
def test_the_tools_of_pip_run(nothing_native, tmp_path):
    run("yosys", ["-V"], tmp_path, "log")
    assert "yowasp" in version("yosys") and "Yosys" in (tmp_path / "log").read_text()
