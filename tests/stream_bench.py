"""What passes a component with streams `arriving` and `kept` of bytes."""

from benches import run_benches


def transfers(dut, offers, takes, check):
    """The (cycle, value) of all that arrives and of all that is taken, where `offers` and `takes` say in which cycles
    that may be; ``check(ctx, cycle, arrived, taken)`` is called at the beginning of each cycle.

    That nothing is lost or changed is checked, and that whether something is taken in depends on neither side.
    """
    arrived, taken = [], []

    async def testbench(ctx):
        for cycle, (offer, take) in enumerate(zip(offers, takes, strict=True)):
            check(ctx, cycle, arrived, taken)
            ready, value = ctx.get(dut.arriving.ready), len(arrived) % 255
            ctx.set(dut.arriving.valid, offer)
            ctx.set(dut.arriving.payload, value if offer else 0xFF)
            ctx.set(dut.kept.ready, take)
            assert ctx.get(dut.arriving.ready) == ready
            if take and ctx.get(dut.kept.valid):
                taken.append((cycle, ctx.get(dut.kept.payload)))
            if offer and ready:
                arrived.append((cycle, value))
            await ctx.tick()

    run_benches(dut, testbench)
    assert [value for _, value in taken] == [value for _, value in arrived][:len(taken)]
    return arrived, taken
