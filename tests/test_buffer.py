"""The unified buffer against an array of bytes, under traffic on all ports at once."""

from collections import deque

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.buffer import UnifiedBuffer
from systolith.rtl.config import Config
from systolith.rtl.interfaces import BUFFER_READ_LATENCY

CONFIGS = {
    "4x4": Config(rows=4, cols=4, requantise_lanes=1, unified_buffer_bytes=256),
    "3x5": Config(rows=3, cols=5, requantise_lanes=1, unified_buffer_bytes=264),
    "12x10": Config(rows=12, cols=10, requantise_lanes=5, unified_buffer_bytes=304),
    "1x2": Config(rows=1, cols=2, requantise_lanes=1, unified_buffer_bytes=258),
    "130x4, one row": Config(rows=130, cols=4, requantise_lanes=1, unified_buffer_bytes=256),
}


def as_bytes(value, count):
    return np.frombuffer(int(value).to_bytes(count, "little"), np.uint8)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_all_ports_together_act_like_an_array_of_bytes(config):
    rng = np.random.default_rng(config.rows)
    size, cols = config.unified_buffer_bytes, config.cols
    dut = UnifiedBuffer(config)
    model = np.zeros(size, np.uint8)
    expected = {dut.matrix_read: deque(), dut.vector_read: deque()}
    host_expected, host_answers = deque(), 0

    async def bench(ctx):
        nonlocal host_answers
        late = np.zeros(size, bool)  # written by the vector unit in the cycle before: may or may not be visible
        wrote = dict.fromkeys((dut.activation_write, dut.vector_write), False)
        asked = written = None
        recent = []  # reads of the cycle before: the first address, and which bytes are sure
        for cycle in range(400 if config.banks < 64 else 100):
            if written is None:
                written = int(rng.integers(0, size)), int(rng.integers(0, 256))
            ctx.set(dut.host_write.valid, 1)
            ctx.set(dut.host_write.payload, {"address": written[0], "data": written[1]})
            if ctx.get(dut.host_write.ready):
                model[written[0]] = written[1]
                for address, known in recent:
                    known[np.arange(address, address + len(known)) == written[0]] = False
                written = None
            recent.clear()

            for port, count in ((dut.matrix_read, config.rows), (dut.vector_read, cols)):
                queue = expected[port]
                if queue and queue[0][0] == cycle:
                    _, data, known = queue.popleft()
                    np.testing.assert_array_equal(as_bytes(ctx.get(port.data), count)[known], data[known])
                address = int(rng.integers(0, size - count, endpoint=True))
                en = bool(rng.integers(0, 3))
                ctx.set(port.en, en)
                ctx.set(port.address, address)
                if en:
                    span = slice(address, address + count)
                    queue.append((cycle + BUFFER_READ_LATENCY, model[span].copy(), ~late[span]))
                    recent.append((address, queue[-1][2]))

            # The host keeps its requests until they are taken.
            if asked is None and rng.integers(0, 2):
                asked = int(rng.integers(0, size))
            ctx.set(dut.host_read.valid, asked is not None)
            ctx.set(dut.host_read.payload, asked or 0)
            if asked is not None and ctx.get(dut.host_read.ready):
                host_expected.append((model[asked:asked + cols].copy(), ~late[asked:asked + cols]))
                recent.append((asked, host_expected[-1][1]))
                asked = None
            take = bool(rng.integers(0, 2))
            ctx.set(dut.host_data.ready, take)
            if take and ctx.get(dut.host_data.valid):
                data, known = host_expected.popleft()
                got = as_bytes(ctx.get(dut.host_data.payload), cols)[:len(data)]
                np.testing.assert_array_equal(got[known], data[known])
                host_answers += 1

            late[:] = False
            for port in wrote:
                en = not wrote[port] and bool(rng.integers(0, 3))
                count = int(rng.integers(0, cols, endpoint=True))
                address = int(rng.integers(0, size - count, endpoint=True))
                data = rng.integers(0, 256, cols, dtype=np.uint8)
                ctx.set(port.en, en)
                ctx.set(port.address, address)
                ctx.set(port.count, count)
                ctx.set(port.data, int.from_bytes(data.tobytes(), "little"))
                if en:
                    model[address:address + count] = data[:count]
                    late[address:address + count] |= port is dut.vector_write
                wrote[port] = en
            await ctx.tick()

    run_benches(dut, bench)
    assert host_answers > 5


def test_every_alignment_and_count():
    config = CONFIGS["3x5"]
    dut = UnifiedBuffer(config)
    model = np.zeros(config.unified_buffer_bytes, np.uint8)

    async def bench(ctx):
        value = 0
        for address in (*range(9), *range(config.unified_buffer_bytes - 9, config.unified_buffer_bytes - 4)):
            for count in range(6):
                data = np.arange(value + 1, value + 6) % 256
                value += 5
                ctx.set(dut.activation_write.en, 1)
                ctx.set(dut.activation_write.address, address)
                ctx.set(dut.activation_write.count, count)
                ctx.set(dut.activation_write.data, int.from_bytes(bytes(data.tolist()), "little"))
                model[address:address + count] = data[:count]
                await ctx.tick()
                ctx.set(dut.activation_write.en, 0)
                ctx.set(dut.vector_read.en, 1)
                ctx.set(dut.vector_read.address, address)
                await ctx.tick()
                ctx.set(dut.vector_read.en, 0)
                await ctx.tick().repeat(BUFFER_READ_LATENCY - 1)
                assert as_bytes(ctx.get(dut.vector_read.data), 5).tolist() == model[address:address + 5].tolist()

    run_benches(dut, bench)


@pytest.mark.parametrize("activation", [0, 1])
def test_the_vector_units_write_is_visible_two_cycles_later(activation):
    dut = UnifiedBuffer(CONFIGS["4x4"])

    async def bench(ctx):
        for port, address, data, en in ((dut.activation_write, 10, 0x11, activation), (dut.vector_write, 20, 0x22, 1)):
            ctx.set(port.en, en)
            ctx.set(port.address, address)
            ctx.set(port.count, 1)
            ctx.set(port.data, data)
        await ctx.tick()
        ctx.set(dut.activation_write.en, 0)
        ctx.set(dut.vector_write.en, 0)
        # The host waits for both.
        ctx.set(dut.host_write.valid, 1)
        ctx.set(dut.host_write.payload, {"address": 20, "data": 0x33})
        assert not ctx.get(dut.host_write.ready)
        await ctx.tick()
        assert ctx.get(dut.host_write.ready) == (not activation)
        ctx.set(dut.host_write.valid, 0)
        ctx.set(dut.matrix_read.en, 1)
        ctx.set(dut.matrix_read.address, 20)
        await ctx.tick().repeat(BUFFER_READ_LATENCY)
        assert ctx.get(dut.matrix_read.data) & 0xFF == 0x22

    run_benches(dut, bench)
