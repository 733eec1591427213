"""Multiplier of Lattice iCE40 UltraPlus: SB_MAC16, of which one makes two products of bytes.

Source: Lattice FPGA-TN-02007, DSP Function Usage Guide for iCE40 Devices.
"""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module

__all__ = ["Ice40Cells"]

_ADDER_OF_PRODUCT = 1  # lower input of the adder: product of two bytes
_ADDER_OF_C = 1        # upper input: C (or D), which is 0 here
_REGISTERED = 1        # output: the adder's register


class Ice40Cells:
    """Cells of an iCE40."""

    def get_multiplier(self, multiplier):
        """One SB_MAC16 for two products of bytes, which share the hold of b.

        The output register is behind the adder, which adds 0. Other multipliers are left to yosys.
        """
        if (multiplier.width, multiplier.products) != (8, 2):
            return None
        m = Module()
        halves = {f"p_{half}{name}": value for half in ("TOP", "BOT") for name, value in (
            ("_8x8_MULT_REG", Const(1, 1)), ("OUTPUT_SELECT", Const(_REGISTERED, 2)),
            ("ADDSUB_LOWERINPUT", Const(_ADDER_OF_PRODUCT, 2)), ("ADDSUB_UPPERINPUT", Const(_ADDER_OF_C, 1)),
            ("ADDSUB_CARRYSELECT", Const(0, 2)))}
        controls = ("AHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP", "OLOADBOT",
                    "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")
        m.submodules.dsp = Instance(
            "SB_MAC16", **halves,
            **{f"p_{name}": Const(1, 1) for name in ("A_REG", "B_REG", "MODE_8x8", "A_SIGNED", "B_SIGNED")},
            **{f"i_{name}": Const(0) for name in controls},
            i_CLK=ClockSignal(), i_CE=Const(1), i_C=Const(0, 16), i_D=Const(0, 16),
            i_BHOLD=~multiplier.load if multiplier.held else Const(0),
            i_A=Cat(multiplier.a), i_B=Cat(multiplier.b), o_O=Cat(multiplier.product))
        return m

    def get_row_pair(self, pair):
        """None: yosys makes its adders."""
