"""Multiplier of Lattice iCE40 UltraPlus: SB_MAC16, of which one makes two products of bytes or one of 16 bits.

Source: Lattice FPGA-TN-02007, DSP Function Usage Guide for iCE40 Devices.
"""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

__all__ = ["Ice40Cells"]

_ADDER_OF_PRODUCT = 1  # lower input of the adder: product of two bytes
_ADDER_OF_C = 1        # upper input: C (or D), which is 0 here
_REGISTERED = 1        # output: the adder's register
_PRODUCT = 3           # output: half of the product of 16 bits

_CONTROLS = ("AHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP", "OLOADBOT", "ADDSUBTOP",
             "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")


def _extended(factor):
    """As the 16 bits of a factor of the block."""
    return Cat(factor, factor[-1].replicate(16 - len(factor)))


class Ice40Cells:
    """Cells of an iCE40."""

    def get_multiplier(self, multiplier):
        """One SB_MAC16 for two products of bytes, which share the hold of b, or for the one of Winograd's sums.

        The output register of the former is behind the adder, which adds 0. Other multipliers are left to yosys.
        """
        match multiplier.width, multiplier.products, multiplier.held:
            case 8, 2, _:
                return self._two_bytes(multiplier)
            case 9, 1, False:
                return self._sixteen_bits(multiplier)
        return None

    def _sixteen_bits(self, multiplier):
        m = Module()
        registers = ("A_REG", "B_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG", "PIPELINE_16x16_MULT_REG1",
                     "PIPELINE_16x16_MULT_REG2")
        m.submodules.dsp = Instance(
            "SB_MAC16", **{f"p_{name}": Const(1, 1) for name in (*registers, "A_SIGNED", "B_SIGNED")},
            **{f"p_{half}OUTPUT_SELECT": Const(_PRODUCT, 2) for half in ("TOP", "BOT")},
            **{f"i_{name}": Const(0) for name in _CONTROLS}, i_BHOLD=Const(0),
            i_CLK=ClockSignal(), i_CE=Const(1), i_C=Const(0, 16), i_D=Const(0, 16),
            i_A=_extended(multiplier.a[0]), i_B=_extended(multiplier.b[0]), o_O=(product := Signal(32)))
        m.d.comb += Cat(multiplier.product).eq(product)
        return m

    def _two_bytes(self, multiplier):
        m = Module()
        halves = {f"p_{half}{name}": value for half in ("TOP", "BOT") for name, value in (
            ("_8x8_MULT_REG", Const(1, 1)), ("OUTPUT_SELECT", Const(_REGISTERED, 2)),
            ("ADDSUB_LOWERINPUT", Const(_ADDER_OF_PRODUCT, 2)), ("ADDSUB_UPPERINPUT", Const(_ADDER_OF_C, 1)),
            ("ADDSUB_CARRYSELECT", Const(0, 2)))}
        m.submodules.dsp = Instance(
            "SB_MAC16", **halves,
            **{f"p_{name}": Const(1, 1) for name in ("A_REG", "B_REG", "MODE_8x8", "A_SIGNED", "B_SIGNED")},
            **{f"i_{name}": Const(0) for name in _CONTROLS},
            i_CLK=ClockSignal(), i_CE=Const(1), i_C=Const(0, 16), i_D=Const(0, 16),
            i_BHOLD=~multiplier.load if multiplier.held else Const(0),
            i_A=Cat(multiplier.a), i_B=Cat(multiplier.b), o_O=Cat(multiplier.product))
        return m

    def get_row_pair(self, pair):
        """None: yosys makes its adders."""
