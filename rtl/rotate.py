"""A word turned by a number of its parts."""

from amaranth.hdl import Mux, Signal

__all__ = ["rotate"]


def rotate(m, value, amount, step):
    """`value` rotated right (if `step` is negative: left) by `amount` times `step` bits; a level of muxes a bit.

    Parameters
    ----------
    m : Module
    value, amount : Value
    step : int, bits
    """
    for k, bit in enumerate(amount):
        level = Signal.like(value, name=f"rotated{k}")
        m.d.comb += level.eq(Mux(bit, value.rotate_right(step << k), value))
        value = level
    return value
