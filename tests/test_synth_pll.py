"""The PLL of each family makes the clock that is wanted, within its limits, or says why not."""

import pytest
from systolith.rtl.config import ConfigError
from systolith.synth.pll import PLLS


@pytest.mark.parametrize("family, source, wanted, made", [
    ("ecp5", 25, 110, 110), ("ecp5", 25, 25, 25), ("ecp5", 50, 61.3, 61.11), ("ecp5", 25, 150, 150),
    ("ice40", 12, 24, 24), ("ice40", 12, 17, 16.875),
    ("gowin", 27, 60, 60), ("gowin", 27, 27, 27), ("gowin", 27, 100, 99)])
def test_the_clock_is_the_closest_that_is_not_faster(family, source, wanted, made):
    pll = PLLS[family](source, wanted)
    assert pll.frequency <= wanted and pll.frequency == pytest.approx(made, rel=0.002)


@pytest.mark.parametrize("wanted", [20, 24, 33, 110])
def test_the_oscillators_are_within_their_ranges(wanted):
    reference, feedback, output = PLLS["ecp5"](25, wanted).dividers
    assert 400 <= 25 * feedback / reference * output <= 800
    reference, feedback, output = PLLS["ice40"](12, wanted).dividers
    assert 533 <= 12 * (feedback + 1) / (reference + 1) <= 1066
    assert PLLS["ice40"](12, wanted).frequency == 12 * (feedback + 1) / (reference + 1) / 2**output
    reference, feedback, output = PLLS["gowin"](27, wanted).dividers
    assert 500 <= 27 * (feedback + 1) / (reference + 1) * output <= 1200


@pytest.mark.parametrize("family, source, wanted, part", [
    ("ecp5", 25, 1, "at least 3.125 MHz"), ("ecp5", 25, 1000, "at most 400 MHz"), ("ice40", 12, 12, "at least 16"),
    ("gowin", 27, 700, "at most")])
def test_what_the_pll_cannot_make_is_refused(family, source, wanted, part):
    with pytest.raises(ConfigError, match=part):
        PLLS[family](source, wanted)
