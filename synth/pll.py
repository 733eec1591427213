"""Clocks of any frequency from a board's oscillator, by the PLL of its FPGA."""

from dataclasses import dataclass
from itertools import product

from amaranth.hdl import Instance
from systolith.rtl.config import ConfigError

__all__ = ["PLLS", "EcpPll", "GowinPll", "IcePll"]


@dataclass(frozen=True)
class _Pll:
    """Dividers of a PLL: the best for a frequency.

    Parameters
    ----------
    source : float, MHz
        Of the oscillator.
    wanted : float, MHz
        The frequency is the closest one that is not above it.

    Members
    -------
    frequency : float, MHz
    dividers : tuple of int

    Errors
    ------
    ConfigError
        If the PLL cannot make it.
    """
    source: float
    wanted: float

    def __post_init__(self):
        found = [(frequency, -max(dividers), dividers) for frequency, dividers in self._choices()
                 if frequency <= self.wanted + 1e-9]
        if not found:
            slowest = min(frequency for frequency, _ in self._choices())
            raise ConfigError(f"the clock must be at least {slowest:g} MHz, which is the least that the PLL makes of "
                              f"{self.source:g} MHz, not {self.wanted:g}")
        frequency, _, dividers = max(found)
        # Above what the PLL reaches the answer would be another clock than the one that was asked for.
        if frequency < 0.9 * self.wanted:
            raise ConfigError(f"the clock must be at most {frequency:g} MHz, which is the most that the PLL makes of "
                              f"{self.source:g} MHz, not {self.wanted:g}")
        object.__setattr__(self, "frequency", frequency)
        object.__setattr__(self, "dividers", dividers)


class EcpPll(_Pll):
    """EHXPLLL of an ECP5, with its first output as feedback."""

    def _choices(self):
        for reference, feedback, output in product(range(1, 129), range(1, 81), range(1, 129)):
            if self.source / reference < 3.125:
                return
            frequency = self.source * feedback / reference
            if 400 <= frequency * output <= 800 and 3.125 <= frequency <= 400:
                yield frequency, (reference, feedback, output)

    def instance(self, pin, clock, locked):
        """The PLL, from the oscillator's signal to the clock."""
        reference, feedback, output = self.dividers
        return Instance(
            "EHXPLLL", p_CLKI_DIV=reference, p_CLKFB_DIV=feedback, p_CLKOP_DIV=output, p_CLKOP_CPHASE=output - 1,
            p_CLKOP_ENABLE="ENABLED", p_FEEDBK_PATH="CLKOP", p_PLLRST_ENA="DISABLED", p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED", p_OUTDIVIDER_MUXA="DIVA", i_RST=0, i_STDBY=0, i_PHASESEL0=0, i_PHASESEL1=0,
            i_PHASEDIR=0, i_PHASESTEP=0, i_PHASELOADREG=0, i_PLLWAKESYNC=0, i_ENCLKOP=0, i_CLKI=pin, i_CLKFB=clock,
            o_CLKOP=clock, o_LOCK=locked)


class IcePll(_Pll):
    """SB_PLL40_PAD of an iCE40, which takes its source from a pad."""

    def _choices(self):
        for reference, feedback, output in product(range(16), range(128), range(1, 7)):
            phase_detector = self.source / (reference + 1)
            oscillator = phase_detector * (feedback + 1)
            frequency = oscillator / (1 << output)
            if 10 <= phase_detector <= 133 and 533 <= oscillator <= 1066 and 16 <= frequency <= 275:
                yield frequency, (reference, feedback, output)

    def instance(self, pin, clock, locked):
        """The PLL, from the oscillator's pad to the clock."""
        reference, feedback, output = self.dividers
        phase_detector = self.source / (reference + 1)
        filter_range = 1 + sum(phase_detector >= bound for bound in (17, 26, 44, 66, 101))
        return Instance(
            "SB_PLL40_PAD", p_FEEDBACK_PATH="SIMPLE", p_PLLOUT_SELECT="GENCLK", p_DIVR=reference, p_DIVF=feedback,
            p_DIVQ=output, p_FILTER_RANGE=filter_range, i_RESETB=1, i_BYPASS=0, i_PACKAGEPIN=pin,
            o_PLLOUTGLOBAL=clock, o_LOCK=locked)


class GowinPll(_Pll):
    """rPLL of a Gowin GW1N or GW2A."""

    def _choices(self):
        for reference, feedback, output in product(range(64), range(64), (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)):
            frequency = self.source * (feedback + 1) / (reference + 1)
            # Limits that hold for both families, at their slower grades.
            if self.source / (reference + 1) >= 3 and 500 <= frequency * output <= 1200 and 4 <= frequency <= 600:
                yield frequency, (reference, feedback, output)

    def instance(self, pin, clock, locked):
        """The PLL, from the oscillator's signal to the clock."""
        reference, feedback, output = self.dividers
        return Instance(
            "rPLL", p_FCLKIN=f"{self.source:g}", p_IDIV_SEL=reference, p_FBDIV_SEL=feedback, p_ODIV_SEL=output,
            p_DYN_IDIV_SEL="false", p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false", p_DYN_DA_EN="false",
            p_PSDA_SEL="0000", p_DUTYDA_SEL="1000", p_CLKOUT_FT_DIR=1, p_CLKOUTP_FT_DIR=1, p_CLKOUT_DLY_STEP=0,
            p_CLKOUTP_DLY_STEP=0, p_CLKFB_SEL="internal", p_CLKOUT_BYPASS="false", p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false", p_DYN_SDIV_SEL=2, p_CLKOUTD_SRC="CLKOUT", p_CLKOUTD3_SRC="CLKOUT",
            i_CLKIN=pin, i_CLKFB=0, i_RESET=0, i_RESET_P=0, i_FBDSEL=0, i_IDSEL=0, i_ODSEL=0, i_PSDA=0, i_DUTYDA=0,
            i_FDLY=0, o_CLKOUT=clock, o_LOCK=locked)


PLLS = {"ecp5": EcpPll, "ice40": IcePll, "gowin": GowinPll}
