# amaranth: UnusedElaboratable=no
"""The UART on a line in continuous time: every byte, every ratio of clock and baud, ends that are out of tune."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.config import ConfigError
from systolith.rtl.uart import Uart

RATIOS = [4, 4.5, 5, 25 / 3, 12, 26.04]


def levels(data, bit, phase, idle=3, stop=1):
    """The line, sampled once a cycle, while `data` comes in bits of `bit` cycles from cycle `phase` on."""
    bits = [1] * idle
    for byte in data:
        bits += [0, *(byte >> n & 1 for n in range(8)), stop] + [1] * (1 - stop)
    bits += [1] * idle
    return [bits[int((cycle - phase) / bit)] if cycle >= phase else 1 for cycle in range(int(len(bits) * bit))]


def received(uart, line, ready=lambda cycle: 1):
    """The bytes that come out of the receiver while `line` goes in."""
    found = []

    async def bench(context):
        for cycle, level in enumerate(line):
            context.set(uart.rx_pin, level)
            context.set(uart.rx.ready, ready(cycle))
            _, _, valid, taken, byte = await context.tick().sample(uart.rx.valid, uart.rx.ready, uart.rx.payload)
            if valid and taken:
                found.append(byte)

    run(uart, bench)
    return found


def sent(uart, data, cycles):
    """The line, sampled once a cycle, while the transmitter is offered `data`."""
    line, left = [], list(data)

    async def bench(context):
        for _ in range(cycles):
            context.set(uart.tx.valid, bool(left))
            context.set(uart.tx.payload, left[0] if left else 0)
            line.append(context.get(uart.tx_pin))
            _, _, ready = await context.tick().sample(uart.tx.ready)
            if ready and left:
                left.pop(0)

    run(uart, bench)
    assert not left
    return line


def run(component, bench):
    run_benches(component, bench)


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_bit_is_sent_in_its_time(ratio):
    data = np.random.default_rng(1).permutation(256)[:20].tolist()
    line = sent(Uart(12e6, 12e6 / ratio), data, int(ratio * 10 * (len(data) + 1)))
    start = line.index(0)
    for number, byte in enumerate(data):
        # Bytes follow each other in whole cycles.
        begin = start + number * int(10 * ratio + 0.5)
        for n, bit in enumerate([0, *(byte >> n & 1 for n in range(8)), 1]):
            first, last = begin + int(n * ratio + 0.5), begin + int((n + 1) * ratio + 0.5)
            assert line[first:last] == [bit] * (last - first)
    assert set(line[begin + int(10 * ratio + 0.5):]) == {1}


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("detune", [-1, 0, 1])
def test_bytes_are_received_as_far_out_of_tune_as_is_promised(ratio, detune):
    rng = np.random.default_rng(2)
    uart = Uart(12e6, 12e6 / ratio)
    data, line = [], []
    for phase in (0, 0.3, 0.6, 0.9):
        data += rng.permutation(256)[:15].tolist()
        line += levels(data[-15:], ratio / (1 + 0.99 * detune * uart.tolerance), phase)
    assert received(uart, line) == data


def test_far_out_of_tune_nothing_is_received_right():
    data = [0x55, 0xAA, 0x0F, 0xF0] * 4
    for factor in (0.9, 1.1):
        assert received(Uart(12e6, 1e6), levels(data, 12 * factor, 0)) != data


def test_every_byte_comes_back_at_the_smallest_ratio():
    uart = Uart(4e6, 1e6)
    line = sent(uart, range(256), 256 * 40 + 50)
    assert received(Uart(4e6, 1e6), line) == list(range(256))


def test_a_byte_waits_as_long_as_the_next_takes():
    data = list(range(0, 250, 10))
    line = levels(data, 12, 0.5) + [1] * 200
    assert received(Uart(12e6, 1e6), line, ready=lambda cycle: cycle % 115 == 0) == data
    slow = received(Uart(12e6, 1e6), line, ready=lambda cycle: cycle % 200 == 0)
    assert len(slow) < len(data) and sorted(set(slow)) == slow


def test_framing_errors_and_glitches_are_dropped():
    uart = Uart(12e6, 1e6)
    wrong = levels([0x41, 0x42], 12, 0, stop=0)
    glitch = [1] * 30 + [0] * 4 + [1] * 30
    long_break = [0] * 400 + [1] * 30
    good = levels([0x5A, 0x00, 0xFF], 12, 0)
    assert received(uart, good + wrong + good + glitch + good + long_break + good) == [0x5A, 0x00, 0xFF] * 4


@pytest.mark.parametrize("baud", [0, -1, 3_000_001])
def test_a_baud_out_of_range_is_refused(baud):
    with pytest.raises(ConfigError, match=rf"a quarter of the clock \(3000000\), not {baud}"):
        Uart(12_000_000, baud)
