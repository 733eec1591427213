"""Two rows of a product on the carry chain of Lattice ECP5, which takes the AND gates in.

Source: CCU2C in the Lattice FPGA Libraries Reference Guide; yosys' simulation model of it.
"""

from amaranth.hdl import Cat, Const, Instance, Module, Signal

__all__ = ["row_pair"]


def _lut(function):
    """INIT of a LUT4 by its function of A, B, C, D."""
    return Const(sum(function(*(i >> k & 1 for k in range(4))) << i for i in range(16)), 16)


#: A carry cell adds what its LUT says of (A and B) and of (C and D). It takes its carry from A and B alone, which is
#: right for equal addends: (A and B), inverted for a subtraction, is one of them.
_ADD = _lut(lambda a, b, c, d: a & b ^ c & d)
_SUBTRACT = _lut(lambda a, b, c, d: 1 ^ a & b ^ c & d)


def row_pair(pair):
    """A module that stands for a `systolith.rtl.row_pair.RowPair`."""
    m = Module()
    # A cell adds two bits.
    bits = (len(pair.sum) + 1) // 2 * 2
    low, high, sums = (Signal(bits, name=name) for name in ("low", "high", "sums"))
    m.d.comb += [low.eq(pair.a), high.eq(Cat(0, pair.a).as_signed() if pair.a.shape().signed else pair.a << 1),
                 pair.sum.eq(sums)]
    carry = Const(pair.negative)
    for i in range(0, bits, 2):
        following = Signal(name=f"carry{i}")
        halves = {}
        for half in (0, 1):
            halves |= {f"p_INIT{half}": _SUBTRACT if pair.negative else _ADD, f"p_INJECT1_{half}": "NO",
                       f"i_A{half}": high[i + half], f"i_B{half}": pair.b[1],
                       f"i_C{half}": low[i + half], f"i_D{half}": pair.b[0], f"o_S{half}": sums[i + half]}
        m.submodules[f"cell{i}"] = Instance("CCU2C", i_CIN=carry, o_COUT=following, **halves)
        carry = following
    return m
