"""The sequencer with all of its parts, against model units that only take time."""

import random

import pytest
from sequencer_bench import HALT, HALTED, SMALL, UNITS, Bench, instruction, run_program, work
from systolith.rtl import watchdog
from systolith.rtl.config import Config
from systolith.rtl.isa import CONFIG, Fault, Opcode, Unit
from systolith.rtl.packets import State


def test_random_program_keeps_order_and_waits():
    random.seed(3)
    program, counts = [], dict.fromkeys(UNITS, 0)
    for _ in range(150):
        unit = random.choice(UNITS)
        waits = [(other, random.randint(max(0, counts[other] - 2), counts[other]))
                 for other in random.sample(UNITS, random.randrange(3))]
        kind = random.randrange(8)
        if kind == 0:
            _, fields = work(unit, *waits)
            program.append(instruction(Opcode.SYNCHRONISE, unit=random.choice((0, unit)),
                                       **{name: value for name, value in fields.items() if name.startswith("wait")}))
        elif kind == 1 and unit in CONFIG:
            program.append(instruction(Opcode.SET_CONFIGURATION, unit=unit))
        elif kind == 2:
            program.append(instruction(Opcode.NOP))
        else:
            program.append(work(unit, *waits))
            counts[unit] += 1
    program.append(HALT)
    bench, outcome = run_program(program, latency=lambda pc: pc * 7 % 13 + 1)

    assert outcome == HALTED
    for unit in UNITS:
        assert len(bench.retired[unit]) == counts[unit]
        order = [pc for _, pc in bench.started[unit]]
        assert order == sorted(order)
    start_of = {pc: cycle for started in bench.started.values() for cycle, pc in started}
    for pc, (_, fields) in enumerate(program):
        for number in range(2):
            other, count = (fields.get(f"wait{number}_{name}", 0) for name in ("unit", "count"))
            if pc in start_of and other and count:
                assert start_of[pc] > bench.retired[other][count - 1][0]
    assert bench.stops[0] > max(cycle for retired in bench.retired.values() for cycle, _ in retired)


def test_dispatches_an_instruction_every_second_cycle():
    # One instruction for each unit: they start one after the other.
    program = [work(unit) for unit in UNITS] + [HALT]
    bench, _ = run_program(program)
    cycles = [bench.started[unit][0][0] for unit in UNITS]
    assert cycles == list(range(cycles[0], cycles[0] + 2 * len(UNITS), 2))


def test_full_queue_stops_dispatch():
    program = [work(Unit.MATRIX) for _ in range(20)] + [work(Unit.VECTOR), HALT]
    bench, outcome = run_program(program, latency=lambda pc: 10)
    assert outcome == HALTED
    assert [pc for _, pc in bench.started[Unit.MATRIX]] == list(range(20))
    # FIFO, held and one in the unit can be ahead of the twentieth.
    before = 20 - (SMALL.queue_depth + 2)
    assert bench.started[Unit.VECTOR][0][0] > bench.retired[Unit.MATRIX][before - 1][0]


def test_synchronise_of_the_sequencer_holds_up_dispatch():
    program = [work(Unit.HOST), instruction(Opcode.SYNCHRONISE, wait1_unit=Unit.HOST, wait1_count=1),
               work(Unit.VECTOR), HALT]
    bench, outcome = run_program(program, latency=lambda pc: 40)
    assert outcome == HALTED
    assert bench.started[Unit.VECTOR][0][0] > bench.retired[Unit.HOST][0][0]


def test_interrupts_are_sent_in_order_and_wait_for_the_host():
    program = [work(Unit.HOST), instruction(Opcode.INTERRUPT, code=0xFFFF),
               instruction(Opcode.INTERRUPT, code=7, wait0_unit=Unit.HOST, wait0_count=1), HALT]
    bench = Bench(latency=lambda pc: 30)
    bench.interrupt_ready = False

    async def testbench(context):
        await bench.load(context, program)
        await bench.start(context)
        await context.tick().repeat(100)
        assert not bench.stops
        bench.interrupt_ready = True
        assert await bench.until_stopped(context) == HALTED

    bench.simulate(testbench)
    assert [code for _, code in bench.interrupts] == [0xFFFF, 7]
    assert bench.interrupts[1][0] > bench.retired[Unit.HOST][0][0]


def test_tags_wait_for_the_work_before_them():
    program = []
    for tag in range(6):  # more than the queue of tags holds
        program += [work(Unit.MATRIX), work(Unit.ACTIVATION), instruction(Opcode.TAG, unit=Unit.MATRIX, tag=tag)]
    program += [work(Unit.MATRIX), instruction(Opcode.TAG, unit=Unit.VECTOR, tag=15), HALT]
    bench, outcome = run_program(program, latency=lambda pc: 20)
    assert outcome == HALTED
    assert [tag for _, tag in bench.snapshots] == [0, 1, 2, 3, 4, 5, 15]
    for (cycle, _), (retired, _) in zip(bench.snapshots[:6], bench.retired[Unit.MATRIX]):
        assert cycle == retired + 4
    # The tag of a unit without work waits only for the tags before it.
    assert bench.snapshots[6][0] < bench.retired[Unit.MATRIX][6][0]


def test_halt_waits_for_a_queue_without_work():
    program = [work(Unit.HOST), instruction(Opcode.SYNCHRONISE, unit=Unit.VECTOR, wait0_unit=Unit.HOST, wait0_count=1),
               instruction(Opcode.SET_CONFIGURATION, unit=Unit.VECTOR), HALT]
    bench, outcome = run_program(program, latency=lambda pc: 25)
    assert outcome == HALTED
    assert bench.started[Unit.VECTOR][0][0] > bench.retired[Unit.HOST][0][0]


def test_first_instruction():
    bench = Bench()
    begun = []

    async def testbench(context):
        await bench.load(context, [work(Unit.HOST), HALT], address=990)
        begun.append(bench.cycle)
        await bench.start(context, 990)
        await bench.until_stopped(context)

    bench.simulate(testbench)
    # 13 cycles to dispatch and 4 through the queue.
    assert bench.started[Unit.HOST] == [(begun[0] + 17, 990)]


def test_illegal_instruction_is_a_precise_fault():
    program = [work(Unit.MATRIX), work(Unit.HOST), instruction(Opcode.TAG, unit=Unit.NONE), work(Unit.VECTOR), HALT]
    bench, outcome = run_program(program, latency=lambda pc: 50)
    assert outcome == (State.FAULTED, Fault.ILLEGAL_INSTRUCTION, 2)
    assert len(bench.retired[Unit.MATRIX]) == len(bench.retired[Unit.HOST]) == 1
    assert not bench.started[Unit.VECTOR]


@pytest.mark.parametrize("depth", [1000, 1024])
def test_end_of_the_instruction_memory(depth):
    config = Config(**{**SMALL.as_dict(), "instruction_depth": depth})
    bench, outcome = run_program([work(Unit.HOST)] * 2, address=depth - 2, config=config)
    assert outcome == (State.FAULTED, Fault.PROGRAM_END, depth)
    assert len(bench.retired[Unit.HOST]) == 2


def test_run_address_past_the_end():
    _, outcome = run_program([HALT], run_address=0xFFFF)
    assert outcome == (State.FAULTED, Fault.PROGRAM_END, 0xFFFF)


def test_faults_of_units():
    bench = Bench(latency=lambda pc: 100)

    async def testbench(context):
        dut = bench.dut
        await bench.load(context, [work(Unit.MATRIX), HALT])
        for fault in (Fault.UNIFIED_BUFFER_RANGE, Fault.WEIGHT_MEMORY_RANGE):
            await bench.start(context)
            await context.tick().repeat(30)
            assert not context.get(dut.clear)
            # Two in the same cycle: the lower unit's counts.
            for unit, code, pc in ((Unit.WEIGHT, fault, 0x1234), (Unit.VECTOR, Fault.ACCUMULATOR_RANGE, 7)):
                context.set(dut.units[unit - 1].fault, code)
                context.set(dut.units[unit - 1].fault_pc, pc)
            await context.tick()
            for unit in (Unit.WEIGHT, Unit.VECTOR):
                context.set(dut.units[unit - 1].fault, 0)
            await context.tick().repeat(4)
            assert context.get(dut.clear)
            assert await bench.until_stopped(context) == (State.FAULTED, fault, 0x1234)

    bench.simulate(testbench)
    assert len(bench.stops) == 2


def test_reset_empties_queues_and_semaphores():
    bench = Bench()

    async def testbench(context):
        dut = bench.dut
        blocked = [work(Unit.HOST)] + [work(Unit.VECTOR, (Unit.HOST, 2))] * 10 + [HALT]
        await bench.load(context, blocked)
        other = [work(Unit.ACTIVATION, (Unit.HOST, 0)), work(Unit.VECTOR, (Unit.ACTIVATION, 1)), HALT]
        await bench.load(context, other, address=100)
        await bench.start(context)
        await context.tick().repeat(50)
        assert context.get(dut.blocked_by[Unit.VECTOR - 1]) == Unit.HOST
        assert context.get(dut.state) == State.RUNNING
        context.set(dut.reset, 1)
        await context.tick()
        context.set(dut.reset, 0)
        await context.tick().repeat(4)
        assert context.get(dut.clear)
        await context.tick().repeat(20)
        assert context.get(dut.state) == State.IDLE
        assert not bench.stops
        await bench.start(context, 100)
        assert await bench.until_stopped(context) == HALTED

    bench.simulate(testbench)
    assert [pc for _, pc in bench.started[Unit.VECTOR]] == [101]


def test_run_is_ignored_while_a_program_runs():
    bench = Bench(latency=lambda pc: 60)

    async def testbench(context):
        await bench.load(context, [work(Unit.HOST), HALT])
        await bench.start(context)
        await context.tick().repeat(20)
        await bench.start(context)
        assert await bench.until_stopped(context) == HALTED

    bench.simulate(testbench)
    assert len(bench.started[Unit.HOST]) == 1


def test_deadlock_names_the_oldest_instruction_that_has_not_started(monkeypatch):
    monkeypatch.setattr(watchdog, "DEADLOCK_CYCLES", 64)
    program = [work(Unit.HOST), work(Unit.VECTOR, (Unit.WEIGHT, 1)), work(Unit.ACTIVATION, (Unit.VECTOR, 1)), HALT]
    # A unit at work longer than the watchdog's time is progress.
    bench, outcome = run_program(program, latency=lambda pc: 200)
    assert outcome == (State.FAULTED, Fault.DEADLOCK, 1)
    assert 64 <= bench.stops[0] - bench.retired[Unit.HOST][0][0] <= 72


def test_deadlock_at_dispatch(monkeypatch):
    monkeypatch.setattr(watchdog, "DEADLOCK_CYCLES", 64)
    program = [work(Unit.HOST), instruction(Opcode.SYNCHRONISE, wait0_unit=Unit.HOST, wait0_count=2), HALT]
    _, outcome = run_program(program)
    assert outcome == (State.FAULTED, Fault.DEADLOCK, 1)


def test_without_a_vector_unit():
    config = Config(**{**SMALL.as_dict(), "vector_taps": 0})
    _, outcome = run_program([work(Unit.ACTIVATION), instruction(Opcode.TAG, unit=Unit.VECTOR), HALT], config=config)
    assert outcome == (State.FAULTED, Fault.ILLEGAL_INSTRUCTION, 1)


@pytest.mark.parametrize("pause", range(4))
@pytest.mark.parametrize("ending", ["halt", "instruction stream", "unit"])
def test_the_next_program_may_begin_as_soon_as_one_has_ended(ending, pause):
    bench = Bench(latency=lambda pc: 3 if pc else 60)
    first = instruction(Opcode.TAG, unit=Unit.NONE) if ending == "instruction stream" else HALT
    outcomes = []

    async def testbench(context):
        dut = bench.dut
        await bench.load(context, [work(Unit.MATRIX), first] if ending == "unit" else [first])
        await bench.load(context, [work(Unit.HOST), HALT], address=100)
        await bench.start(context)
        fault = dut.units[Unit.MATRIX - 1].fault
        if ending == "unit":
            await context.tick().repeat(30)
            context.set(fault, Fault.UNIFIED_BUFFER_RANGE)  # until it is reset
        while not context.get(dut.stopped):
            await context.tick()
        outcomes.append(context.get(dut.fault))
        for cycle in range(6):
            context.set(dut.run, cycle == pause)
            context.set(dut.run_address, 100)
            if context.get(dut.clear):
                context.set(fault, Fault.NONE)
            await context.tick()
        assert (await bench.until_stopped(context)) == HALTED

    bench.simulate(testbench)
    assert outcomes == [{"halt": Fault.NONE, "unit": Fault.UNIFIED_BUFFER_RANGE}.get(ending, Fault.ILLEGAL_INSTRUCTION)]
    assert [pc for _, pc in bench.started[Unit.HOST]] == [100] and len(bench.stops) == 2
