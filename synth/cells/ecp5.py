"""Multipliers of Lattice ECP5: MULT18X18D with all its registers in use, and carry chains.

Source: Lattice FPGA-TN-02205, ECP5 and ECP5-5G sysDSP Usage Guide; Lattice FPGA Libraries Reference Guide.
"""

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal

from .ecp5_row_pair import row_pair

__all__ = ["Ecp5Cells"]

_FACTOR, _PRODUCT = 18, 36


class Ecp5Cells:
    """Cells of an ECP5."""

    def get_multiplier(self, multiplier):
        """One MULT18X18D a product.

        Its input registers are both on, because nextpnr times it as unregistered with one alone. That of b has a clock
        enable of its own. Factors stand in the upper bits: sign bits need no further wires.
        """
        m = Module()
        for n in range(multiplier.products):
            product = Signal(_PRODUCT, name=f"product{n}")
            a, b = (Signal(_FACTOR, name=f"{name}{n}") for name in "ab")
            m.d.comb += [
                a[-multiplier.width:].eq(multiplier.a[n]),
                b[-multiplier.width:].eq(multiplier.b[n]),
                multiplier.product[n].eq(product[-2 * multiplier.width:]),
            ]
            m.submodules[f"dsp{n}"] = Instance(
                "MULT18X18D",
                p_REG_INPUTA_CLK="CLK0", p_REG_INPUTA_CE="CE0", p_REG_INPUTB_CLK="CLK0", p_REG_INPUTB_CE="CE1",
                p_REG_PIPELINE_CLK="CLK0", p_REG_PIPELINE_CE="CE0", p_REG_OUTPUT_CLK="CLK0", p_REG_OUTPUT_CE="CE0",
                p_GSR="DISABLED",
                i_CLK0=ClockSignal(), i_CE0=Const(1), i_CE1=multiplier.load if multiplier.held else Const(1),
                i_RST0=Const(0), i_SIGNEDA=Const(1), i_SIGNEDB=Const(1), i_SOURCEA=Const(0), i_SOURCEB=Const(0),
                **{f"i_{name}{bit}": factor[bit] for name, factor in (("A", a), ("B", b)) for bit in range(_FACTOR)},
                **{f"i_C{bit}": Const(0) for bit in range(_FACTOR)},
                **{f"o_P{bit}": product[bit] for bit in range(_PRODUCT)})
        return m

    def get_row_pair(self, pair):
        """A carry chain."""
        return row_pair(pair)
