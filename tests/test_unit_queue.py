import random

from amaranth.sim import Simulator
from systolith.rtl import encoding
from systolith.rtl.config import Config
from systolith.rtl.isa import Opcode, Unit
from systolith.rtl.unit_queue import UnitQueue

CONFIG = Config(rows=4, cols=4, requantise_lanes=2, queue_depth=3)


def word(opcode, **fields):
    return int.from_bytes(encoding.encode(opcode, **fields), "little")


def simulate(*testbenches):
    dut = UnitQueue(CONFIG)
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    for testbench in testbenches:
        async def run(context, testbench=testbench):
            await testbench(context, dut)
        simulator.add_testbench(run)
    simulator.run()


async def push(context, dut, pc, instruction):
    context.set(dut.push.payload, {"word": instruction, "pc": pc})
    context.set(dut.push.valid, 1)
    await context.tick().until(dut.push.ready)
    context.set(dut.push.valid, 0)


async def idle_until_offered(context, dut):
    cycles = 0
    while not context.get(dut.issue.valid):
        await context.tick()
        cycles += 1
    return cycles


def test_order_and_contents_survive_random_stalls():
    random.seed(1)
    program = [(random.randrange(1 << 16), word(Opcode.VECTOR, in_address=random.randrange(1 << 26)))
               for _ in range(40)]

    async def producer(context, dut):
        for pc, instruction in program:
            for _ in range(random.choice((0, 0, 5))):
                await context.tick()
            await push(context, dut, pc, instruction)

    async def consumer(context, dut):
        for pc, instruction in program:
            for _ in range(random.choice((0, 0, 7))):
                await context.tick()
            context.set(dut.issue.ready, 1)
            payload, = await context.tick().sample(dut.issue.payload).until(dut.issue.valid)
            context.set(dut.issue.ready, 0)
            assert (payload.pc, payload.word) == (pc, instruction)
        for _ in range(5):
            await context.tick()
        assert context.get(dut.empty)
        assert not context.get(dut.waiting)

    simulate(producer, consumer)


def test_depth_of_the_queue():
    async def testbench(context, dut):
        for pc in range(CONFIG.queue_depth + 1):  # one more in the held register
            await push(context, dut, pc, word(Opcode.VECTOR))
        await context.tick().repeat(5)
        assert not context.get(dut.push.ready)
        assert not context.get(dut.empty)
        assert context.get(dut.pc) == 0

    simulate(testbench)


def test_issues_every_fourth_cycle():
    async def testbench(context, dut):
        for pc in range(CONFIG.queue_depth + 1):
            await push(context, dut, pc, word(Opcode.VECTOR))
        await context.tick().repeat(5)
        cycles = []
        context.set(dut.issue.ready, 1)
        for cycle in range(10):
            if context.get(dut.issue.valid):
                cycles.append(cycle)
            await context.tick()
        assert cycles == [0, 4, 8]

    simulate(testbench)


def test_waits():
    async def testbench(context, dut):
        # The second wait compares modulo 2**16: 5 is past 0xfffe.
        context.set(dut.semaphores[Unit.ACTIVATION], 5)
        await push(context, dut, 7, word(Opcode.VECTOR, wait0_unit=Unit.HOST, wait0_count=3,
                                         wait1_unit=Unit.ACTIVATION, wait1_count=0xFFFE))
        await context.tick().repeat(5)
        for count in range(3):
            context.set(dut.semaphores[Unit.HOST], count)
            await context.tick().repeat(4)
            assert not context.get(dut.issue.valid)
            assert context.get(dut.blocked_by) == Unit.HOST
            assert (context.get(dut.waiting), context.get(dut.pc)) == (1, 7)
        context.set(dut.semaphores[Unit.HOST], 3)
        assert await idle_until_offered(context, dut) == 2
        assert context.get(dut.blocked_by) == 0

    simulate(testbench)


def test_second_wait_blocks():
    async def testbench(context, dut):
        await push(context, dut, 0, word(Opcode.ACTIVATE, wait1_unit=Unit.MATRIX, wait1_count=1))
        await context.tick().repeat(10)
        assert context.get(dut.blocked_by) == Unit.MATRIX
        assert not context.get(dut.issue.valid)
        context.set(dut.semaphores[Unit.MATRIX], 1)
        assert await idle_until_offered(context, dut) == 2

    simulate(testbench)


def test_latency_of_an_empty_queue():
    async def testbench(context, dut):
        await push(context, dut, 0, word(Opcode.ACTIVATE))
        assert 1 + await idle_until_offered(context, dut) == 4

    simulate(testbench)


def test_synchronise_waits_and_vanishes():
    async def testbench(context, dut):
        await push(context, dut, 0, word(Opcode.SYNCHRONISE, unit=Unit.VECTOR, wait0_unit=Unit.WEIGHT, wait0_count=1))
        await push(context, dut, 1, word(Opcode.VECTOR))
        await context.tick().repeat(10)
        assert context.get(dut.blocked_by) == Unit.WEIGHT
        assert not context.get(dut.issue.valid)
        context.set(dut.semaphores[Unit.WEIGHT], 1)
        await idle_until_offered(context, dut)
        assert context.get(dut.issue.payload.pc) == 1
        context.set(dut.issue.ready, 1)
        await context.tick()
        assert not context.get(dut.issue.valid)
        assert context.get(dut.empty)

    simulate(testbench)
