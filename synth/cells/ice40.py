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


class Ice40Cells:
    """Cells of an iCE40."""

    def get_multiplier(self, multiplier):
        """One SB_MAC16 for two products of bytes, which share the hold of b, or for the one of Winograd's sums; other
        multipliers are left to yosys.
        """
        match multiplier.width, multiplier.products, multiplier.held:
            case 8, 2, _:
                return self._two_bytes(multiplier)
            case 9, 1, False:
                return self._sixteen_bits(multiplier)
        return None

    def _two_bytes(self, multiplier):
        """Registers: input, the products', and the adder's, which adds 0."""
        halves = {f"{half}{name}": value for half in ("TOP", "BOT") for name, value in (
            ("_8x8_MULT_REG", Const(1, 1)), ("OUTPUT_SELECT", Const(_REGISTERED, 2)),
            ("ADDSUB_LOWERINPUT", Const(_ADDER_OF_PRODUCT, 2)), ("ADDSUB_UPPERINPUT", Const(_ADDER_OF_C, 1)),
            ("ADDSUB_CARRYSELECT", Const(0, 2)))}
        return self._block(multiplier, MODE_8x8=Const(1, 1), **halves)

    def _sixteen_bits(self, multiplier):
        """Registers: input, those of the four products of bytes, and that of their sum."""
        registers = ("TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG", "PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2")
        return self._block(multiplier, TOPOUTPUT_SELECT=Const(_PRODUCT, 2), BOTOUTPUT_SELECT=Const(_PRODUCT, 2),
                           **dict.fromkeys(registers, Const(1, 1)))

    def _block(self, multiplier, **parameters):
        """A module with an SB_MAC16 that takes the factors, signed, and gives the products."""
        def factors(port):
            value = Cat(port)  # of two products 16 bits, of one extended to that
            return Cat(value, value[-1].replicate(16 - len(value)))

        m = Module()
        m.submodules.dsp = Instance(
            "SB_MAC16",
            **{f"p_{name}": value for name, value in parameters.items()},
            **{f"p_{name}": Const(1, 1) for name in ("A_REG", "B_REG", "A_SIGNED", "B_SIGNED")},
            **{f"i_{name}": Const(0) for name in _CONTROLS},
            i_CLK=ClockSignal(), i_CE=Const(1), i_C=Const(0, 16), i_D=Const(0, 16),
            i_BHOLD=~multiplier.load if multiplier.held else Const(0),
            i_A=factors(multiplier.a), i_B=factors(multiplier.b),
            o_O=Cat(multiplier.product, Signal(32 - len(Cat(multiplier.product)))))
        return m

    def get_row_pair(self, pair):
        """None: yosys makes its adders."""
