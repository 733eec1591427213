"""Multipliers of Gowin GW1N and GW2A: MULT9X9 and MULT18X18.

Source: Gowin UG287, DSP User Guide.
"""

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal

__all__ = ["GowinCells"]

#: By the width of a factor.
_BLOCKS = {9: "MULT9X9", 18: "MULT18X18"}


class GowinCells:
    """Cells of a Gowin FPGA."""

    def get_multiplier(self, multiplier):
        """One block a product, of the smallest kind.

        All its registers share a clock enable, so that a b that is held waits in flip-flops instead. Factors stand in
        the upper bits.
        """
        factor = min(width for width in _BLOCKS if width >= multiplier.width)
        m = Module()
        for n in range(multiplier.products):
            product = Signal(2 * factor, name=f"product{n}")
            a, b = (Signal(factor, name=f"{name}{n}") for name in "ab")
            m.d.comb += [a[-multiplier.width:].eq(multiplier.a[n]),
                         multiplier.product[n].eq(product[-2 * multiplier.width:])]
            upper = b[-multiplier.width:]
            if multiplier.held:
                held = Signal(multiplier.width, name=f"held{n}", reset_less=True)
                with m.If(multiplier.load):
                    m.d.sync += held.eq(multiplier.b[n])
                m.d.comb += upper.eq(held)
            else:
                m.d.comb += upper.eq(multiplier.b[n])
            m.submodules[f"dsp{n}"] = Instance(
                _BLOCKS[factor],
                p_AREG=Const(1, 1), p_BREG=Const(not multiplier.held, 1), p_PIPE_REG=Const(1, 1),
                p_OUT_REG=Const(1, 1), p_ASIGN_REG=Const(0, 1), p_BSIGN_REG=Const(0, 1), p_SOA_REG=Const(0, 1),
                p_MULT_RESET_MODE="SYNC",
                i_A=a, i_B=b, i_SIA=Const(0, factor), i_SIB=Const(0, factor), i_ASIGN=Const(1), i_BSIGN=Const(1),
                i_ASEL=Const(0), i_BSEL=Const(0), i_CE=Const(1), i_CLK=ClockSignal(), i_RESET=Const(0),
                o_DOUT=product)
        return m

    def get_row_pair(self, pair):
        """None: yosys makes its adders."""
