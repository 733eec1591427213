"""The scan harness: bits in by one pin, through the component, folded out by another."""

import numpy as np
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out
from benches import run_benches
from systolith.synth.scan import ScanHarness


class Sum(Component):
    """`total` is `a + b`, at once."""
    a: In(3)
    b: In(3)
    total: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.total.eq(self.a + self.b)
        return m


def test_every_bit_goes_through():
    harness = ScanHarness(Sum())
    assert (harness.input_bits, harness.output_bits) == (6, 4)
    bits = np.random.default_rng(1).integers(0, 2, 200).tolist()
    chain = signature = 0
    expected = []
    for bit in bits:
        expected.append(signature >> 3)
        last = chain >> 5
        signature = (signature << 1 | last) & 0xF ^ ((chain & 7) + (chain >> 3))
        chain = (chain << 1 | bit) & 0x3F

    async def bench(ctx):
        for bit, out in zip(bits, expected):
            ctx.set(harness.scan_in, bit)
            assert ctx.get(harness.scan_out) == out
            await ctx.tick()

    run_benches(harness, bench)
