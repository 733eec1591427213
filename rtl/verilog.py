"""Verilog of a component, with repeated hardware stamped, and the list of its ports for other tools."""

import gc
import re
from contextlib import closing, contextmanager

from amaranth.back import rtlil
from amaranth.back.verilog import find_yosys
from amaranth.lib.wiring import In

from .stamp import StampPlatform, flat_ports

__all__ = ["convert", "ports"]


# One start of yosys for all modules: a start takes longer than most conversions.
_ATTRIBUTES = " ".join(f"-remove {name}" for name in ("generator", "top", "src", "amaranth.hierarchy"))
_MODULES = f"""
proc -nomux -norom
attrmap {_ATTRIBUTES}
attrmap -modattr {_ATTRIBUTES}
write_verilog -norename
"""
# Without `opt -full`, which merges multiplexers of unrelated bits so that a simulation sees loops that are none.
_FLAT = """
proc
flatten
opt
opt_clean -purge
write_verilog -noattr
"""
_ROUND = str.maketrans("[]", "()")
# Wires without bits, of a register or port that some chips do not need: in Verilog they would have two. Yosys refuses a
# netlist in which a cell still has such a wire.
_EMPTY = re.compile(r"^(?: *attribute .*\n)* *wire width 0 .*\n|^connect \\\S+ \{ *\}\n", re.MULTILINE)


def convert(component, name="systolith", *, flat=False, cells=None):
    """Verilog of a component and all that it contains.

    The same component gives the same text. Ports are the members of the component's signature, nested interfaces and
    streams flattened with `__` (see `ports`), and `clk` and `rst`.

    Parameters
    ----------
    component : wiring.Component
        The top.
    name : str
        Name of its module, and start of the names of all others.
    flat : bool
        All logic in one module, without what nothing reads, as a fast simulation wants it, instead of readable.
    cells : object, optional
        Vendor cells for a family of FPGAs, as of `systolith.synth.cells.CELLS`; without them all is portable.

    Returns
    -------
    str
    """
    with _without_collector(), closing(StampPlatform(name, cells)) as platform:
        top = rtlil.convert(component, name=name, platform=platform, emit_src=False)
        modules, memories = platform.modules()
    netlist = _EMPTY.sub("", "\n".join((*modules, top)))
    passes = _FLAT if flat else _MODULES
    yosys = find_yosys(lambda version: version >= (0, 40))
    # Yosys warns that some processes cannot be Verilog; Amaranth does not make those.
    text = yosys.run(["-q", "-"], f"read_rtlil <<rtlil\n{netlist}\nrtlil\n{passes}\n", ignore_warnings=True)
    # Bit 0 of `x` and a signal `x[0]` of several bits, an element of an array, have one name in ABC9's files, at which
    # yosys 0.70 ends in an assertion.
    text = re.sub(r"(?<=\\)\S+\[\S*", lambda name: name[0].translate(_ROUND), text)
    # Icarus evaluates `always @*` only once an input changes, so that constants in it read as X (Amaranth issue 1629).
    return "\n".join((*memories, text)).replace("always @*", "always_comb")


def ports(component):
    """Ports of the module that `convert` makes, without `clk` and `rst`.

    Returns
    -------
    list of dict
        With ``name``, ``width`` in bits and ``direction`` (``"input"`` or ``"output"``), in the signature's order.
    """
    return [{"name": name, "width": len(value), "direction": "input" if flow == In else "output"}
            for name, flow, value in flat_ports(component) if len(value)]


@contextmanager
def _without_collector():
    """No cyclic garbage collection: it would visit the millions of objects of a netlist, all alive, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
