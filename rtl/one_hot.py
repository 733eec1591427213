"""A choice by one bit for each value."""

from functools import reduce
from operator import or_

from amaranth.hdl import Mux

__all__ = ["one_hot"]


def one_hot(bits, values):
    """The value whose bit is set, 0 if none is: gates side by side instead of a chain of multiplexers.

    Parameters
    ----------
    bits : iterable of Value, 1 bit each
        At most one is set.
    values : iterable of Value
        As many.

    Returns
    -------
    Value
        As wide as the widest of them. Combinational.
    """
    return reduce(or_, (Mux(bit, value, 0) for bit, value in zip(bits, values, strict=True)))
