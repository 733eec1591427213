"""Netlists of yosys' JSON, as `global_nets`, `floorplan` and `replicate` see them."""

__all__ = ["fresh_net", "is_clock"]


def fresh_net(module):
    """The number of a net that a module does not have; nor has it larger ones."""
    return 1 + max((bit for net in module["netnames"].values() for bit in net["bits"] if isinstance(bit, int)),
                   default=0)


def is_clock(port):
    """Whether a port of an ECP5 cell is a clock."""
    return "CLK" in port or port == "WCK"
