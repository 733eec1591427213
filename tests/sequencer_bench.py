"""The sequencer among model units that only take time."""

from collections import defaultdict

from amaranth.sim import Simulator
from systolith.rtl import encoding
from systolith.rtl.config import Config
from systolith.rtl.isa import TABLE, Fault, Opcode, Unit
from systolith.rtl.packets import State
from systolith.rtl.sequencer import Sequencer

SMALL = Config(rows=4, cols=4, requantise_lanes=2, queue_depth=3, instruction_depth=1000, tag_depth=16)
UNITS = list(Unit)[1:]
WORK = {Unit.HOST: Opcode.READ_HOST_MEMORY, Unit.WEIGHT: Opcode.READ_WEIGHTS, Unit.MATRIX: Opcode.CONVOLVE,
        Unit.ACTIVATION: Opcode.ACTIVATE, Unit.VECTOR: Opcode.VECTOR}


def instruction(opcode, **fields):
    if opcode in (Opcode.ACTIVATE, Opcode.VECTOR):
        fields.setdefault("columns", 1)
    return opcode, fields


def work(unit, *waits):
    """A work instruction of a unit, with up to two waits (unit, count)."""
    fields = {}
    for number, (other, count) in enumerate(waits):
        fields |= {f"wait{number}_unit": other, f"wait{number}_count": count}
    return instruction(WORK[unit], **fields)


HALT = instruction(Opcode.HALT)


class Bench:
    """A sequencer, model units that work for `latency(pc)` cycles, and a record of what happened in which cycle."""

    def __init__(self, config=SMALL, latency=lambda pc: 3):
        self.dut = Sequencer(config)
        self.latency = latency
        self.cycle = 0
        self.started, self.retired = defaultdict(list), defaultdict(list)  # by unit: (cycle, pc)
        self.interrupts, self.snapshots, self.stops = [], [], []  # (cycle, code), (cycle, tag), cycles
        self.interrupt_ready = True

    async def _unit(self, context, unit, port):
        while True:
            context.set(port.issue.ready, 1)
            while not context.get(port.issue.valid):
                await context.tick()
            issue = context.get(port.issue.payload)
            self.started[unit].append((self.cycle, issue.pc))
            await context.tick()
            context.set(port.issue.ready, 0)
            context.set(port.active, 1)
            for _ in range(self.latency(issue.pc)):
                await context.tick()
            context.set(port.active, 0)
            if TABLE[Opcode(issue.word & 31)].work:
                self.retired[unit].append((self.cycle, issue.pc))
                context.set(port.retire, 1)
                await context.tick()
                context.set(port.retire, 0)

    async def _monitor(self, context):
        dut = self.dut
        while True:
            context.set(dut.interrupt.ready, self.interrupt_ready)
            if context.get(dut.interrupt.valid) and self.interrupt_ready:
                self.interrupts.append((self.cycle, context.get(dut.interrupt.payload)))
            if context.get(dut.snapshot):
                self.snapshots.append((self.cycle, context.get(dut.tag)))
            if context.get(dut.stopped):
                self.stops.append(self.cycle)
            await context.tick()
            self.cycle += 1

    def simulate(self, testbench):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(self._monitor, background=True)
        for unit, port in zip(UNITS, self.dut.units):
            async def run(context, unit=unit, port=port):
                await self._unit(context, unit, port)
            simulator.add_testbench(run, background=True)
        simulator.add_testbench(testbench)
        simulator.run()

    async def load(self, context, program, address=0):
        port = self.dut.program
        context.set(port.en, 1)
        for pc, (opcode, fields) in enumerate(program, address):
            context.set(port.address, pc)
            context.set(port.data, int.from_bytes(encoding.encode(opcode, **fields), "little"))
            await context.tick()
        context.set(port.en, 0)

    async def start(self, context, address=0):
        context.set(self.dut.run_address, address)
        context.set(self.dut.run, 1)
        await context.tick()
        context.set(self.dut.run, 0)

    async def until_stopped(self, context, limit=5000):
        for _ in range(limit):
            if context.get(self.dut.stopped):
                break
            await context.tick()
        await context.tick().repeat(20)
        return tuple(context.get(value) for value in (self.dut.state, self.dut.fault, self.dut.fault_pc))


def run_program(program, address=0, run_address=None, **arguments):
    """The bench after a run of `program`, and its state, fault and fault_pc."""
    bench = Bench(**arguments)
    outcome = []

    async def testbench(context):
        await bench.load(context, program, address)
        await bench.start(context, address if run_address is None else run_address)
        outcome.extend(await bench.until_stopped(context))

    bench.simulate(testbench)
    assert len(bench.stops) == 1
    return bench, tuple(outcome)


HALTED = (State.HALTED, Fault.NONE, 0)
