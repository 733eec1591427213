"""The sequencer with model units that only take time: order, waits, interrupts, tags and the end of random programs."""

from collections import defaultdict

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from systolith.rtl.encoding import decode
from systolith.rtl.interfaces import IssueLayout
from systolith.rtl.isa import INSTRUCTION_BYTES, SEMAPHORE_BITS, Fault, Opcode, Unit
from systolith.rtl.packets import State
from systolith.sim.cocotb_bus import Sink, cycle, start
from systolith.sim.cocotb_runner import settings
from systolith.sim.random_program import random_program

UNITS = list(Unit)[1:]


class Recorder:
    """What the model units and the sequencer's outputs show, while a program runs."""

    def __init__(self, dut, rng):
        self._dut, self._rng = dut, rng
        self.now = 0
        self.retired = dict.fromkeys(Unit, 0)
        self.started = defaultdict(list)  # by unit: addresses of instructions
        self.snapshots = []  # (tag, work retired by each unit)
        self.stops = []  # cycles

    async def unit(self, unit):
        """A model unit: takes an instruction, checks its waits, and is busy for a random time."""
        ports = {name: self._dut[f"units__{unit - 1}__{name}"] for name in
                 ("issue__valid", "issue__ready", "issue__payload", "active", "retire")}
        while True:
            ports["issue__ready"].value = 1
            await RisingEdge(self._dut.clk)
            if not int(ports["issue__valid"].value):
                continue
            issue = IssueLayout().from_bits(int(ports["issue__payload"].value))
            row, fields = decode(issue.word.to_bytes(INSTRUCTION_BYTES, "little"))
            assert (fields["unit"] if row.unit is None else row.unit) == unit, (unit, row.name)
            self.check_waits(fields, issue.pc)
            self.started[unit].append(issue.pc)
            ports["issue__ready"].value, ports["active"].value = 0, 1
            await cycle(self._dut, int(self._rng.integers(1, 20)))
            ports["active"].value, ports["retire"].value = 0, int(row.work)
            # Counted before the pulse's edge: whatever sees the semaphore does so later.
            self.retired[unit] += row.work
            await cycle(self._dut)
            ports["retire"].value = 0

    def check_waits(self, fields, pc):
        """The work that an instruction waits for is done when it starts."""
        for number in (0, 1):
            ahead = (self.retired[fields[f"wait{number}_unit"]] - fields[f"wait{number}_count"]) % (1 << SEMAPHORE_BITS)
            assert not fields[f"wait{number}_unit"] or ahead < 1 << (SEMAPHORE_BITS - 1), (pc, fields)

    async def watch(self):
        """Records snapshots and ends."""
        dut = self._dut
        while True:
            await RisingEdge(dut.clk)
            self.now += 1
            if int(dut.snapshot.value):
                self.snapshots.append((int(dut.tag.value), dict(self.retired)))
            if int(dut.stopped.value):
                self.stops.append(self.now)


def plan(instructions):
    """What a program must bring about: work by unit, addresses by unit, interrupts, and tags with what they close."""
    work, order, interrupts, tags = dict.fromkeys(Unit, 0), defaultdict(list), [], []
    for pc, (row, fields) in enumerate(instructions):
        unit = fields["unit"] if row.unit is None else row.unit
        if row.opcode is Opcode.INTERRUPT:
            interrupts.append(fields["code"])
        elif row.opcode is Opcode.TAG:
            tags.append((fields["tag"], unit, work[unit]))
        elif row.work or row.opcode is Opcode.SET_CONFIGURATION:
            order[unit].append(pc)
            work[unit] += row.work
    return work, order, interrupts, tags


@cocotb.test()
async def random_programs_in_order(dut):
    told = settings()
    rng = np.random.default_rng(told.seed)
    await start(dut, told.inputs)
    interrupts = Sink(dut, "interrupt", rng, pauses=0.5)
    cocotb.start_soon(interrupts.run())
    for number in range(told.rounds):
        words = random_program(told.config, told.seed + number, length=200).instructions
        instructions = [decode(words[at:at + INSTRUCTION_BYTES]) for at in range(0, len(words), INSTRUCTION_BYTES)]
        for pc in range(len(instructions)):
            at = pc * INSTRUCTION_BYTES
            dut.program__en.value, dut.program__address.value = 1, pc
            dut.program__data.value = int.from_bytes(words[at:at + INSTRUCTION_BYTES], "little")
            await cycle(dut)
        dut.program__en.value = 0

        seen = Recorder(dut, rng)
        interrupts.taken.clear()
        tasks = [cocotb.start_soon(seen.watch()), *(cocotb.start_soon(seen.unit(unit)) for unit in UNITS)]
        dut.run.value = 1
        await cycle(dut)
        dut.run.value = 0
        while not seen.stops:
            await cycle(dut)
            assert seen.now < 50_000
        work, order, codes, tags = plan(instructions)
        assert (int(dut.state.value), int(dut.fault.value)) == (State.HALTED, Fault.NONE)
        assert seen.retired == work
        assert seen.started == order
        assert interrupts.taken == codes
        assert [tag for tag, _ in seen.snapshots] == [tag for tag, _, _ in tags]
        for (_, retired), (_, unit, count) in zip(seen.snapshots, tags):
            assert retired[unit] >= count
        await cycle(dut, 50)
        assert len(seen.stops) == 1
        for task in tasks:
            task.cancel()
