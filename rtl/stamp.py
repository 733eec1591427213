"""Modules that are converted to Verilog by themselves: equal hardware once, large units side by side.

Amaranth does not share identical submodules, so that an array of R x C cells costs R*C elaborations and as many copies
in the Verilog. A component that is placed with `place` and carries a `stamp_key` is converted once for each key
instead. A large unit that is placed with `place_unit` is converted by a process of its own. The simulator and vendor
platforms still see ordinary submodules, from the same code.
"""

import re

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Const, Elaboratable, Instance, ResetInserter, ResetSignal, Signal, Value
from amaranth.lib.wiring import In, Signature

from .background import Background
from .memory_module import memory_module

__all__ = ["StampPlatform", "flat_ports", "place", "place_unit"]


def flat_ports(component):
    """Ports of a component, those of nested interfaces included, under the names that they have in Verilog.

    Returns
    -------
    list of (str, Flow, Value)
    """
    return [("__".join(map(str, path)), member.flow, Value.cast(value))
            for path, member, value in component.signature.flatten(component)]


def place(m, name, component, platform, **ports):
    """Adds `component` to module `m` as submodule `name`, as a stamp where the platform makes stamps.

    Ports that are given here are connected without a signal between: elaboration costs by the bit of the signals, and a
    wide port of a component that is placed often would be a signal in each place.

    A component with a `stamp_key` (hashable; two components of one class with equal keys are equal hardware) must be a
    `wiring.Component` in the `sync` domain, driven through its ports only. All its registers must be reset-less: a
    `ResetInserter` around the place does not reach into a stamp, so that a register with a reset would behave
    otherwise in Verilog than in Amaranth's simulator.

    Parameters
    ----------
    m : Module
        Where it goes.
    name : str
        Name of the submodule.
    component : wiring.Component
        What is placed.
    platform : object or None
        The platform that `elaborate` was given.
    ports : Value
        By the names of ports (see `flat_ports`), each of the port's width: what drives an input, what an output drives.
        These ports of `component` itself are not to be used.

    Returns
    -------
    wiring.Component
        `component`, whose other ports are used as if it were an ordinary submodule.

    Errors
    ------
    ValueError
        For a register with a reset in a component that is stamped; for a port that there is not, or of another width.
    """
    ends = flat_ports(component)
    ports = {port: Value.cast(value) for port, value in ports.items()}
    widths = {port: len(own) for port, _, own in ends}
    for port, value in ports.items():
        if widths.get(port) != len(value):
            raise ValueError(f"{type(component).__name__} has no port {port} of {len(value)} bits")
    if isinstance(platform, StampPlatform) and hasattr(component, "stamp_key"):
        m.submodules[name] = platform.stamp(component, [(port, flow, ports.get(port, own)) for port, flow, own in ends])
    else:
        m.submodules[name] = component
        for port, flow, own in ends:
            if port in ports:
                m.d.comb += own.eq(ports[port]) if flow == In else ports[port].eq(own)
    return component


def place_unit(m, name, component, platform, clear=None):
    """Adds a large `component` to module `m` as submodule `name`, where the platform makes stamps as a module that
    another process converts.

    Parameters
    ----------
    m, name, platform
        As for `place`.
    component : wiring.Component
        In the `sync` domain, driven through its ports only; none of them is named ``clear``. A `ResetInserter` or
        `EnableInserter` around the place does not reach into it.
    clear : Value, 1 bit, optional
        Resets its registers, as by `ResetInserter`.

    Returns
    -------
    wiring.Component
        `component`, whose ports are used as if it were an ordinary submodule.
    """
    if isinstance(platform, StampPlatform):
        m.submodules[name] = platform.unit(name, component, clear)
    else:
        m.submodules[name] = component if clear is None else ResetInserter(clear)(component)
    return component


class StampPlatform:
    """Platform of a conversion to Verilog that collects the modules of stamped components, of units and of memories.

    Parameters
    ----------
    prefix : str
        Start of the names of all these modules.
    cells : object, optional
        Cells of a family of FPGAs: its `get_multiplier` and `get_row_pair` are the platform overrides of `Multiplier`
        and `RowPair`.
    """

    def __init__(self, prefix, cells=None):
        self._prefix = prefix
        self._cells = cells
        self._stamps = {}
        self._rtlil = []
        self._memories = {}
        self._units = {}

    def close(self):
        """Ends the processes of units that nobody waits for any more."""
        for unit in self._units.values():
            unit.close()

    def modules(self):
        """All modules, once the component that they are for is converted; waits for those of units.

        Returns
        -------
        rtlil, verilog : list of str
            Of each stamped component and unit; of each kind of memory.
        """
        units = [unit.result() for unit in self._units.values()]
        return ([*self._rtlil, *(text for rtlil, _ in units for text in rtlil)],
                [*self._memories.values(), *(text for _, verilog in units for text in verilog)])

    def stamp(self, component, ends):
        """An `Instance` of the module for the component's key, its ports connected as in `ends`, see `flat_ports`."""
        # Most stamped components are never elaborated themselves, which Amaranth would warn of.
        component._MustUse__used = True
        key = (type(component), component.stamp_key)
        if key not in self._stamps:
            name = f"{self._prefix}_{type(component).__name__.lower()}_{len(self._stamps)}"
            self._stamps[key] = name, False
            text = self._convert(component, name)
            if "switch \\rst" in text:
                raise ValueError(f"{type(component).__name__} has a stamp_key, so its registers must be reset-less")
            # Amaranth makes ports for clock and reset wherever something is clocked; nothing here uses the reset.
            text, clocked = re.subn(r"^.* \\rst(?: \[0\])?\n", "", text, flags=re.MULTILINE)
            self._stamps[key] = name, bool(clocked)
            self._rtlil.append(text)
        name, clocked = self._stamps[key]
        ports = _connections(ends)
        if clocked:
            ports["i_clk"] = ClockSignal()
        return Instance(name, **ports)

    def unit(self, name, component, clear):
        """An `Instance` of a module for this component alone."""
        name = f"{self._prefix}_{name}"
        if name in self._units:
            name = f"{name}_{len(self._units)}"

        def convert():
            platform = StampPlatform(name, self._cells)
            text = platform._convert(component if clear is None else _Cleared(component), name)
            rtlil, verilog = platform.modules()
            return [*rtlil, text], verilog

        component._MustUse__used = True
        self._units[name] = Background(convert)
        ports = _connections(flat_ports(component)) | ({} if clear is None else {"i_clear": clear})
        return Instance(name, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)

    def _convert(self, component, name):
        """RTLIL of a module, without that of the modules that are collected meanwhile."""
        return rtlil.convert(component, name=name, platform=self, emit_src=False).replace("attribute \\top 1\n", "")

    def get_multiplier(self, multiplier):
        """What stands for a `Multiplier`, or None for the portable form."""
        return self._cells.get_multiplier(multiplier) if self._cells else None

    def get_row_pair(self, pair):
        """What stands for a `RowPair`, or None for the portable form."""
        return self._cells.get_row_pair(pair) if self._cells else None

    def get_memory(self, memory):
        """What Amaranth's `Memory` elaborates to: an `Instance` of a `memory_module`."""
        name, self._memories[name] = memory_module(memory, f"{self._prefix}_memory")
        write, = memory.write_ports
        ports = {"i_clk": ClockSignal(), "i_write_addr": _address(write), "i_write_en": write.en,
                 "i_write_data": write.data}
        for n, read in enumerate(memory.read_ports):
            ports |= {f"i_read{n}_addr": _address(read), f"o_read{n}_data": read.data}
            if read.domain != "comb":
                ports[f"i_read{n}_en"] = read.en
        return Instance(name, **ports)


class _Cleared(Elaboratable):
    """A component with one more port, which resets its registers."""

    def __init__(self, component):
        self.signature = Signature({**component.signature.members, "clear": In(1)})
        self.clear = Signal()
        self._component = component

    def __getattr__(self, name):
        return getattr(self._component, name)

    def elaborate(self, platform):
        return ResetInserter(self.clear)(self._component)


def _connections(ends):
    """Ports of an `Instance`, from ends as of `flat_ports`."""
    return {("i_" if flow == In else "o_") + port: value for port, flow, value in ends if len(value)}


def _address(port):
    """Address of a memory port, which in Verilog has at least one bit."""
    return port.addr if len(port.addr) else Const(0, 1)
