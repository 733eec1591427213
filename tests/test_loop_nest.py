"""The loop nest against loops of Python."""

import random
from itertools import product

import pytest
from benches import run_benches
from systolith.rtl.loop_nest import LoopNest

WIDTHS = [4, 3, 5]


def expected(counts):
    """Of each step, how many loops end with it."""
    for indices in product(*(range(count) for count in reversed(counts))):
        ended = 0
        for index, count in zip(reversed(indices), counts):
            if index != count - 1:
                break
            ended += 1
        yield ended


def steps(nests, pauses):
    """What `ends` says in each step of each nest, as a number of loops; a pause is a cycle without a step."""
    dut, seen = LoopNest(WIDTHS), []

    async def testbench(ctx):
        for counts, once in nests:
            ctx.set(dut.counts, {f"of{i}": count for i, count in enumerate(counts)})
            ctx.set(dut.once, sum(bit << i for i, bit in enumerate(once)))
            ctx.set(dut.start, 1)
            await ctx.tick()
            # Taken with `start` alone.
            ctx.set(dut.start, 0)
            ctx.set(dut.counts, {f"of{i}": 5 for i in range(len(counts))})
            ctx.set(dut.once, 2)
            ends, of_nest = 0, []
            while ends != 2 ** len(WIDTHS) - 1:
                step = not pauses or random.random() < 0.7
                ends = ctx.get(dut.ends)
                assert ends + 1 == 1 << ends.bit_count(), "an inner loop ends where an outer one does"
                ctx.set(dut.step, step)
                await ctx.tick()
                if not step:
                    ends = 0
                else:
                    of_nest.append(ends.bit_count())
                assert len(of_nest) <= 2 ** sum(WIDTHS), "the nest does not end"
            ctx.set(dut.step, 0)
            seen.append(of_nest)

    run_benches(dut, testbench)
    return seen


@pytest.mark.parametrize("pauses", (False, True), ids=("every cycle", "pauses"))
def test_equals_nested_loops(pauses):
    random.seed(1)
    shapes = [*product((1, 2, 3), repeat=3), (15, 1, 4), (2, 7, 31)]
    shapes += [tuple(random.randint(1, 2 ** width - 1) for width in WIDTHS) for _ in range(3)]
    nests = [(counts, [count == 1 for count in counts]) for counts in shapes]
    assert steps(nests, pauses) == [list(expected(counts)) for counts in shapes]


def test_once_counts_instead_of_the_count():
    assert steps([((9, 0, 3), (False, True, True)), ((0, 0, 0), (True, True, True))], False) == [[0] * 8 + [3], [3]]
