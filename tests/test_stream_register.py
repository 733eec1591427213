import random

from stream_bench import transfers
from systolith.rtl.stream_register import StreamRegister


def through_register(offers, takes):
    dut = StreamRegister(8)

    def check(ctx, cycle, arrived, taken):
        # Stays for one more cycle, whatever arrives.
        if taken and taken[-1][0] == cycle - 1:
            assert ctx.get(dut.kept.payload) == taken[-1][1]
            assert not ctx.get(dut.kept.valid)

    return transfers(dut, offers, takes, check)


def test_every_second_cycle_after_one():
    arrived, taken = through_register([True] * 20, [True] * 20)
    assert arrived == [(cycle, cycle // 2) for cycle in range(0, 20, 2)]
    assert taken == [(cycle + 1, value) for cycle, value in arrived]


def test_nothing_is_lost_or_changed():
    rng = random.Random(1)
    arrived, taken = through_register(*([rng.random() < chance for _ in range(500)] for chance in (0.6, 0.4)))
    assert len(arrived) > 100
    assert len(arrived) - len(taken) <= 1
