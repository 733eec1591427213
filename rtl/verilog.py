"""Verilog of a component, with repeated hardware stamped, and the list of its ports for other tools."""

from amaranth.back import verilog
from amaranth.lib.wiring import In

from .stamp import StampPlatform, flat_ports

__all__ = ["convert", "ports"]


def convert(component, name="systolith"):
    """Verilog of a component and all that it contains.

    The same component gives the same text. Ports are the members of the component's signature, nested interfaces and
    streams flattened with `__` (see `ports`), and `clk` and `rst`.

    Parameters
    ----------
    component : wiring.Component
        The top.
    name : str
        Name of its module, and start of the names of all others.

    Returns
    -------
    str
    """
    platform = StampPlatform(name)
    top = verilog.convert(component, name=name, platform=platform, emit_src=False, strip_internal_attrs=True)
    # Icarus evaluates `always @*` only once an input changes, so that constants in it read as X (Amaranth issue 1629).
    return "\n".join((*platform.texts, top)).replace("always @*", "always_comb")


def ports(component):
    """Ports of the module that `convert` makes, without `clk` and `rst`.

    Returns
    -------
    list of dict
        With ``name``, ``width`` in bits and ``direction`` (``"input"`` or ``"output"``), in the signature's order.
    """
    return [{"name": name, "width": len(value), "direction": "input" if flow == In else "output"}
            for name, flow, value in flat_ports(component)]
