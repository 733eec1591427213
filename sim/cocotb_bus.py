"""What cocotb test benches share: clock and reset, lanes packed into wide ports, and streams.

Timing as in synchronous logic: what a bench writes after a clock edge is there for the whole cycle, and what it reads
after the next edge is what stood at that edge.
"""

from collections import deque

import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

__all__ = ["Sink", "Source", "cycle", "pack", "start", "unpack"]


async def start(dut, inputs):
    """Starts the clock and resets the device, all other inputs 0."""
    for name in inputs:
        dut[name].value = 0
    dut.rst.value = 1
    # The first edge comes when the inputs have settled: a register without reset would keep an X from before.
    Clock(dut.clk, 10, "ns").start(start_high=False)
    await cycle(dut, 3)
    dut.rst.value = 0
    await cycle(dut)


async def cycle(dut, count=1):
    """Waits for clock edges."""
    for _ in range(count):
        await RisingEdge(dut.clk)


def pack(values, width):
    """Integers in lanes of so many bits, the first one lowest."""
    mask = (1 << width) - 1
    return sum((int(value) & mask) << (width * lane) for lane, value in enumerate(values))


def unpack(value, count, width):
    """Array of the two's complement integers in so many lanes."""
    word, half = int(value), 1 << (width - 1)
    return np.array([((word >> (width * lane) & ((1 << width) - 1)) ^ half) - half for lane in range(count)])


class Source:
    """Drives a stream with the payloads in `queue`.

    Parameters
    ----------
    dut : handle
    name : str
        Name of the stream.
    rng : numpy Generator
    pauses : float
        Probability that a payload comes a cycle later.
    """

    def __init__(self, dut, name, rng, pauses=0.0):
        self._clk = dut.clk
        self._valid, self._payload, self._ready = (dut[f"{name}__{part}"] for part in ("valid", "payload", "ready"))
        self._rng, self._pauses = rng, pauses
        self.queue = deque()

    async def run(self):
        """For `cocotb.start_soon`."""
        while True:
            if not self.queue or (self._pauses and self._rng.random() < self._pauses):
                await RisingEdge(self._clk)
                continue
            self._payload.value = int(self.queue[0])
            self._valid.value = 1
            await RisingEdge(self._clk)
            while not int(self._ready.value):
                await RisingEdge(self._clk)
            self.queue.popleft()
            self._valid.value = 0


class Sink:
    """Takes what comes from a stream into the list `taken`.

    Parameters
    ----------
    As for `Source`; `pauses` is the probability that a cycle is not ready.
    """

    def __init__(self, dut, name, rng, pauses=0.0):
        self._clk = dut.clk
        self._valid, self._payload, self._ready = (dut[f"{name}__{part}"] for part in ("valid", "payload", "ready"))
        self._rng, self._pauses = rng, pauses
        self.taken = []

    async def run(self):
        """For `cocotb.start_soon`."""
        while True:
            ready = not self._pauses or self._rng.random() >= self._pauses
            self._ready.value = int(ready)
            await RisingEdge(self._clk)
            if ready and int(self._valid.value):
                self.taken.append(int(self._payload.value))
