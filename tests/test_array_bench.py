"""The array alone on each family, by the tools."""

import json

import pytest
from click.testing import CliRunner
from systolith.host.cli import main


@pytest.mark.fpga
@pytest.mark.parametrize("family, multiplier, dsp, lut", [
    ("ice40", "dsp", 8, 35), ("ecp5", "winograd", 10, 45), ("gowin", "dsp", 16, 45)])
def test_measures_and_uses_the_blocks(family, multiplier, dsp, lut):
    words = f"bench fpga --array --rows 4 --cols 4 --family {family} --multiplier {multiplier} --seeds 1 --json"
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["dsp"] == dsp and report["macs"] == 16
    assert 10 < report["lut_per_mac"] < lut
    assert report["fmax_mhz"] == report["fmax_mhz_by_seed"][0] > 30


def test_wants_to_know_what_to_measure():
    result = CliRunner().invoke(main, ["bench", "fpga"])
    assert result.exit_code == 1 and "with --array" in result.output
