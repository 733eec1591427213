"""How the functions of this package say that the chip cannot execute an operator."""

__all__ = ["OnHost", "need", "need_vector"]


class OnHost(Exception):
    """The chip has no unit for this operator; the message says why."""


def need(condition, reason):
    """Leaves an operator to the host where the condition does not hold."""
    if not condition:
        raise OnHost(reason)


def need_vector(config):
    """Leaves it to the host where the chip has no vector unit."""
    need(config.has_vector, "this configuration has no vector unit")
