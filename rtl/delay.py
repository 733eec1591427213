"""A value some cycles later."""

from amaranth.hdl import Signal

__all__ = ["delayed"]


def delayed(m, value, cycles):
    """`value` after that many registers without reset, for data and what travels beside it.

    Parameters
    ----------
    m : Module
        Where the registers go; clock domain ``sync``.
    value : Value
        What to delay; its shape and sign are kept.
    cycles : int
        Registers; 0 returns `value` itself.
    """
    for _ in range(cycles):
        register = Signal.like(value, name="delayed", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value
