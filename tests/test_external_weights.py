import random
from collections import deque

from benches import run_benches
from systolith.rtl.external_weights import ExternalWeights


def test_answers_of_before_a_reset_are_dropped():
    random.seed(6)
    dut = ExternalWeights(8, 16)
    requested, answered = [], []  # of the program that runs
    finished = []

    async def memory(context):
        """Slow, with pauses; answers the square of the address."""
        waiting = deque()
        while True:
            context.set(dut.request.ready, random.random() < 0.7)
            if waiting and random.random() < 0.7 and waiting[0][0] <= 0:
                context.set(dut.response.valid, 1)
                context.set(dut.response.payload, waiting[0][1] ** 2)
            else:
                context.set(dut.response.valid, 0)
            *_, taken, offered, accepted, address = await context.tick().sample(
                dut.response.valid & dut.response.ready, dut.request.valid, dut.request.ready, dut.request.payload)
            # What was offered and not taken is still offered, reset or not.
            if offered and not accepted:
                assert (context.get(dut.request.valid), context.get(dut.request.payload)) == (1, address)
            if taken:
                waiting.popleft()
            waiting = deque((time - 1, other) for time, other in waiting)
            if offered and accepted:
                waiting.append((20, address))

    async def unit(context):
        for _ in range(30):
            context.set(dut.clear, 0)
            requested.clear()
            answered.clear()
            for _ in range(random.randrange(100)):
                address = random.randrange(256)
                context.set(dut.unit_request.valid, random.randrange(2))
                context.set(dut.unit_request.payload, address)
                context.set(dut.unit_response.ready, random.random() < 0.8)
                *_, asked, answer, data = await context.tick().sample(
                    dut.unit_request.valid & dut.unit_request.ready,
                    dut.unit_response.valid & dut.unit_response.ready, dut.unit_response.payload)
                if asked:
                    requested.append(address)
                if answer:
                    answered.append(data)
            assert answered == [address ** 2 for address in requested[:len(answered)]]
            finished.append(len(answered))
            context.set(dut.clear, 1)
            context.set(dut.unit_request.valid, random.randrange(2))
            await context.tick().repeat(random.randrange(1, 10))

    run_benches(dut, unit, background=[memory])
    assert sum(finished) > 200
