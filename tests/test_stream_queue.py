"""The queue with a register for its `ready`."""

import random

import pytest
from stream_bench import transfers
from systolith.rtl.stream_queue import StreamQueue


def through_queue(offers, takes):
    """The cycles in which something arrived and was taken."""
    dut = StreamQueue(8)

    def check(ctx, cycle, arrived, taken):
        assert ctx.get(dut.empty) == (len(arrived) == len(taken))

    return ([cycle for cycle, _ in passed] for passed in transfers(dut, offers, takes, check))


def test_a_transfer_every_cycle_after_three():
    arrived, taken = through_queue([True] * 50, [True] * 50)
    assert arrived == list(range(1, 50))
    assert taken == list(range(4, 50))


def test_keeps_what_is_not_taken():
    arrived, taken = through_queue([True] * 40, [False] * 20 + [True] * 20)
    assert len([cycle for cycle in arrived if cycle < 20]) == 8
    assert taken[:4] == [20, 21, 22, 23]


@pytest.mark.parametrize("offering, taking", ((0.5, 0.5), (0.9, 0.3), (0.3, 0.9)))
def test_at_random(offering, taking):
    random.seed(1)
    arrived, taken = through_queue(*([random.random() < often for _ in range(2000)] for often in (offering, taking)))
    assert len(taken) > 500
    assert len(arrived) - len(taken) <= 8
