"""The delay in distributed RAM: every word comes out again, so many cycles later."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal
from benches import run_benches
from systolith.rtl.delay import DelayMemory


@pytest.mark.parametrize("cycles", [2, 3, 4, 5, 9, 16, 17, 26])
def test_words_follow_by_so_many_cycles(cycles):
    line, reset = DelayMemory(10, cycles), Signal()
    words = [random.Random(cycles).randrange(1 << 10) for _ in range(6 * cycles)]

    async def testbench(ctx):
        for now, word in enumerate(words):
            ctx.set(line.d, word)
            ctx.set(reset, now == 3 * cycles)  # what is under way stays so
            if now >= cycles:
                assert ctx.get(line.q) == words[now - cycles], now
            await ctx.tick()

    run_benches(ResetInserter(reset)(line), testbench)
