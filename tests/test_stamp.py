# amaranth: UnusedElaboratable=no
"""Stamping: one Verilog module for each key, ordinary submodules without a StampPlatform."""

import re

import pytest
from amaranth.back import verilog as amaranth_verilog
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out
from benches import run_benches
from systolith.rtl import verilog
from systolith.rtl.stamp import StampPlatform, place


class Register(Component):
    """`q` is `d` one cycle later."""
    def __init__(self, width, reset_less=True):
        self.width, self.reset_less = width, reset_less
        super().__init__({"d": In(width), "q": Out(width)})

    @property
    def stamp_key(self):
        return self.width

    def elaborate(self, platform):
        m = Module()
        q = Signal(self.width, reset_less=self.reset_less)
        m.d.sync += q.eq(self.d)
        m.d.comb += self.q.eq(q)
        return m


class Chain(Component):
    """Registers in a row, stamped as a whole as well."""
    def __init__(self, length, width):
        self.length, self.width = length, width
        super().__init__({"d": In(width), "q": Out(width)})

    @property
    def stamp_key(self):
        return self.length, self.width

    def elaborate(self, platform):
        m = Module()
        value = self.d
        for i in range(self.length):
            part = place(m, f"part{i}", Register(self.width), platform)
            m.d.comb += part.d.eq(value)
            value = part.q
        m.d.comb += self.q.eq(value)
        return m


class Top(Component):
    """Chains in a row, two of equal length, one not."""
    d: In(5)
    q: Out(5)

    def elaborate(self, platform):
        m = Module()
        value = self.d
        for i, length in enumerate((3, 3, 2)):
            part = place(m, f"chain{i}", Chain(length, 5), platform)
            m.d.comb += part.d.eq(value)
            value = part.q
        m.d.comb += self.q.eq(value)
        return m


def modules(text):
    return re.findall(r"^module (\S+?) ?\(", text, re.MULTILINE)


def instances(text, name):
    return len(re.findall(rf"^  {name} ", text, re.MULTILINE))


def test_one_module_for_each_key():
    text = verilog.convert(Top(), "top")
    names = modules(text)
    registers = [n for n in names if n.startswith("top_register")]
    chains = [n for n in names if n.startswith("top_chain")]
    assert len(registers) == 1 and len(chains) == 2 and len(names) == 4
    assert instances(text, registers[0]) == 5
    assert sorted(instances(text, name) for name in chains) == [1, 2]


def test_every_instance_has_its_clock():
    text = verilog.convert(Top(), "top")
    assert text.count(".clk(clk)") == 5 + 3


def test_ordinary_submodule_without_stamping():
    m = Module()
    part = Register(5)
    assert place(m, "part", part, None) is part
    text = amaranth_verilog.convert(m, ports=[part.d, part.q])
    assert modules(text) == ["top", "\\top.part"]


def test_register_with_reset_is_refused():
    with pytest.raises(ValueError, match="Register has a stamp_key, so its registers must be reset-less"):
        place(Module(), "part", Register(5, reset_less=False), StampPlatform("top"))


class Connected(Component):
    """Two chains whose ports are connected where they are placed, the first one's input to a part of a word."""
    d: In(8)
    q: Out(5)

    def elaborate(self, platform):
        m = Module()
        middle = Signal(5)
        place(m, "first", Chain(2, 5), platform, d=self.d[2:7], q=middle)
        place(m, "second", Chain(2, 5), platform, d=middle, q=self.q)
        return m


def test_ports_given_are_connected():
    """As an ordinary submodule in the simulator, and without a signal for the port in Verilog."""
    top, seen = Connected(), []

    async def bench(ctx):
        for value in range(12):
            ctx.set(top.d, value << 2)
            seen.append(ctx.get(top.q))
            await ctx.tick()

    run_benches(top, bench)
    assert seen[4:] == list(range(8))
    text = verilog.convert(top, "top")
    assert not re.search("first__d|second__q", text) and re.search(r"\.d\(d\[6:2\]\)", text)


@pytest.mark.parametrize("ports", [{"d": Signal(4)}, {"e": Signal(5)}])
def test_port_of_another_width_is_refused(ports):
    with pytest.raises(ValueError, match="Register has no port . of . bits"):
        place(Module(), "part", Register(5), None, **ports)
