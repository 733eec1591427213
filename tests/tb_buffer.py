"""The unified buffer against an array of bytes, under random traffic on all ports at once."""

from collections import deque

import cocotb
import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib import data
from systolith.rtl.config import ADDRESS_BITS
from systolith.rtl.interfaces import BUFFER_READ_LATENCY
from systolith.sim.cocotb_bus import cycle, start
from systolith.sim.cocotb_runner import settings

CYCLES = 1500


class Bytes:
    """The model: a byte array, and which bytes the vector unit wrote too late for this cycle's reads to be defined."""

    def __init__(self, size):
        self.cells, self.late = np.zeros(size, np.uint8), np.zeros(size, bool)
        self._units = np.zeros(size, bool)  # written by a unit in this cycle
        self._before, self._now = [], []  # reads of the cycle before and of this one

    def begin(self):
        """The next cycle."""
        self._before, self._now = self._now, []
        self._units[:] = False

    def read(self, address, count):
        span = slice(address, address + count)
        cells, known = self.cells[span].copy(), ~self.late[span]
        self._now.append((address, cells, known))
        return cells, known

    def write(self, address, values):
        """By a unit; this cycle's reads may or may not see it."""
        span = slice(address, address + len(values))
        self.cells[span], self._units[span] = values, True
        for first, _, known in self._now:
            known[max(address - first, 0):max(address + len(values) - first, 0)] = False

    def host_write(self, address, data):
        """Goes before the other writes of the cycle; its reads see it, those of the cycle before may or may not."""
        if not self._units[address]:
            self.cells[address] = data
        for first, cells, _ in self._now:
            if first <= address < first + len(cells):
                cells[address - first] = data
        for first, _, known in self._before:
            if first <= address < first + len(known):
                known[address - first] = False


def check(value, expected):
    """Compares what is defined; what was read behind the buffer's end may even be X."""
    cells, known = expected
    found = np.frombuffer(int(value[8 * len(cells) - 1:0]).to_bytes(len(cells), "little"), np.uint8)
    np.testing.assert_array_equal(found[known], cells[known])


@cocotb.test()
async def all_ports_act_on_one_array_of_bytes(dut):
    told = settings()
    config, rng = told.config, np.random.default_rng(told.seed)
    size, cols = config.unified_buffer_bytes, config.cols
    model = Bytes(size)
    host_write = data.StructLayout({"address": ADDRESS_BITS, "data": unsigned(8)})
    due = {"matrix_read": {}, "vector_read": {}}
    writing = dict.fromkeys(("activation_write", "vector_write"), False)
    answers, asked, written = deque(), None, None
    answered = stored = 0

    def address(count):
        """Anywhere, but often at an end."""
        last = size - count
        return int(rng.choice([0, last, *rng.integers(0, last, 6, endpoint=True)]))

    await start(dut, told.inputs)
    for now in range(CYCLES):
        model.begin()
        for port, count in (("matrix_read", config.rows), ("vector_read", cols)):
            place, en = address(count), rng.random() < 0.7
            dut[f"{port}__en"].value, dut[f"{port}__address"].value = int(en), place
            if en:
                due[port][now + BUFFER_READ_LATENCY] = model.read(place, count)
        if asked is None and rng.random() < 0.5:
            asked = int(rng.integers(0, size))
        take = rng.random() < 0.5
        dut.host_read__valid.value, dut.host_read__payload.value = int(asked is not None), asked or 0
        dut.host_data__ready.value = int(take)
        expected_host = None if asked is None else model.read(asked, cols)

        model.late[:] = False
        for port, before in writing.items():
            writing[port] = en = not before and rng.random() < 0.6
            count = int(rng.integers(0, cols, endpoint=True))
            place, values = address(count), rng.integers(0, 256, cols, dtype=np.uint8)
            for part, value in (("en", int(en)), ("address", place), ("count", count),
                                ("data", int.from_bytes(values.tobytes(), "little"))):
                dut[f"{port}__{part}"].value = value
            if en and port == "activation_write":
                model.write(place, values[:count])
            elif en:
                vector = place, values[:count]
        if writing["vector_write"]:
            place, values = vector
            model.write(place, values)
            model.late[place:place + len(values)] = True
        if written is None and rng.random() < 0.5:
            written = {"address": int(rng.integers(0, size)), "data": int(rng.integers(0, 256))}
        dut.host_write__valid.value = int(written is not None)
        dut.host_write__payload.value = host_write.const(written).as_value().value

        await cycle(dut)
        for port, expected in due.items():
            if now in expected:
                check(dut[f"{port}__data"].value, expected.pop(now))
        if take and int(dut.host_data__valid.value):
            check(dut.host_data__payload.value, answers.popleft())
            answered += 1
        if asked is not None and int(dut.host_read__ready.value):
            answers.append(expected_host)
            asked = None
        if written is not None and int(dut.host_write__ready.value):
            model.host_write(**written)
            written, stored = None, stored + 1
    assert answered > 20 and stored > 20
