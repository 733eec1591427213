"""Vendor cells: what stands for the chip's multipliers on each family of FPGAs."""

from .ecp5 import Ecp5Cells
from .gowin import GowinCells
from .ice40 import Ice40Cells

__all__ = ["CELLS"]

#: By family, the `cells` of `systolith.rtl.verilog.convert`.
CELLS = {"ecp5": Ecp5Cells(), "ice40": Ice40Cells(), "gowin": GowinCells()}
