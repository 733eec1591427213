"""What surrounds a single unit in a cocotb test bench: the sequencer's side of its port, the load bus, its memories.

A bench takes a whole random program and plays only what concerns its unit; the golden model executes the same part of
it. So what is legal and what races is decided in one place, `systolith.sim.random_program`.
"""

from collections import deque

import numpy as np
from cocotb.triggers import RisingEdge
from systolith.rtl.encoding import decode, encode
from systolith.rtl.interfaces import IssueLayout
from systolith.rtl.isa import FIELDS_HEAD, INSTRUCTION_BYTES, Opcode
from systolith.rtl.packets import State

from .cocotb_bus import cycle

__all__ = ["Player", "execute", "part", "serve"]

_HEAD = sum(field.width for field in FIELDS_HEAD)
_OPCODE = (1 << FIELDS_HEAD[0].width) - 1


def part(program, unit, destinations):
    """The instructions of a program, 16 bytes each, for one unit: its own, and the loads to these destinations."""
    words = [program[at:at + INSTRUCTION_BYTES] for at in range(0, len(program), INSTRUCTION_BYTES)]
    chosen = []
    for word in words:
        row, fields = decode(word)
        load = row.opcode is Opcode.READ_WEIGHTS and fields["destination"] in destinations
        owner = fields["unit"] if row.unit is None else row.unit
        if load or (owner == unit and row.opcode is not Opcode.TAG):
            chosen.append(word)
    return chosen


def execute(model, words):
    """Lets the golden model execute such a part, without its waits, which name work that is not in it."""
    keep = ~((1 << _HEAD) - 1) | _OPCODE
    plain = [(int.from_bytes(word, "little") & keep).to_bytes(INSTRUCTION_BYTES, "little") for word in words]
    code = np.frombuffer(b"".join((*plain, encode(Opcode.HALT))), np.uint8)
    model.instructions[:len(words) + 1] = code.reshape(-1, INSTRUCTION_BYTES)
    state, fault, pc = model.run()
    assert state is State.HALTED, (fault, pc)


class Player:
    """Issues instructions to the unit under test, keeping the waits for its own work, and loads its parameters.

    Parameters
    ----------
    dut : handle
        With the ports `unit` and `load`.
    unit : isa.Unit
    weights : array of int8 (rows, cols)
        The weight memory.
    """

    def __init__(self, dut, unit, weights):
        self._dut, self._unit, self._weights = dut, unit, weights
        self._issued = self._retired = 0
        self._layout = IssueLayout()

    async def watch(self):
        """Counts retired work, for `cocotb.start_soon`; there must be no fault."""
        while True:
            await RisingEdge(self._dut.clk)
            self._retired += int(self._dut.unit__retire.value)
            assert not int(self._dut.unit__fault.value), int(self._dut.unit__fault_pc.value)

    async def play(self, words):
        """Plays a part of a program, until all its work is retired."""
        for pc, word in enumerate(words):
            row, fields = decode(word)
            if row.opcode is Opcode.READ_WEIGHTS:
                await self._until(self._issued)
                await self._load(fields)
                continue
            for number in (0, 1):
                if fields[f"wait{number}_unit"] == self._unit:
                    await self._until(fields[f"wait{number}_count"])
            if row.opcode is not Opcode.SYNCHRONISE:
                await self._issue(pc, word)
                self._issued += row.work
        await self._until(self._issued)
        await cycle(self._dut)

    async def _until(self, count):
        while self._retired < count:
            await RisingEdge(self._dut.clk)

    async def _issue(self, pc, word):
        dut = self._dut
        issue = self._layout.const({"word": int.from_bytes(word, "little"), "pc": pc})
        dut.unit__issue__payload.value = issue.as_value().value
        dut.unit__issue__valid.value = 1
        await cycle(dut)
        while not int(dut.unit__issue__ready.value):
            await cycle(dut)
        dut.unit__issue__valid.value = 0

    async def _load(self, fields):
        dut = self._dut
        dut.load__valid.value = 1
        dut.load__destination.value, dut.load__slot.value = fields["destination"], fields["slot"]
        for index in range(fields["count"]):
            dut.load__index.value = index
            dut.load__data.value = int.from_bytes(self._weights[fields["address"] + index].tobytes(), "little")
            await cycle(dut)
        dut.load__valid.value = 0


async def serve(dut, read, latency, fetch, write, memory, write_delay=0):
    """Plays the memories around a unit, for `cocotb.start_soon`.

    Parameters
    ----------
    dut : handle
    read, write : str
        Names of a read port and of a `BufferWrite` port.
    latency : int
        Cycles from a read to its data.
    fetch : function
        From an address to the bytes there. What no read asked for are ones.
    memory : array of int8
        What is written.
    write_delay : int
        Cycles by which a read must come later than one after a write to find it.
    """
    en, address, answer = (dut[f"{read}__{name}"] for name in ("en", "address", "data"))
    write_en, write_address, count, values = (dut[f"{write}__{name}"] for name in ("en", "address", "count", "data"))
    nothing = (1 << len(answer)) - 1
    answers, writes = deque([nothing] * (latency - 1)), deque([None] * write_delay)
    while True:
        await RisingEdge(dut.clk)
        answers.append(int.from_bytes(fetch(int(address.value)), "little") if int(en.value) else nothing)
        answer.value = answers.popleft()
        writes.append((int(write_address.value), int(count.value), int(values.value)) if int(write_en.value) else None)
        if (written := writes.popleft()) is not None:
            start, length, word = written
            cells = word.to_bytes(len(values) // 8, "little")[:length]
            memory[start:start + length] = np.frombuffer(cells, memory.dtype)
