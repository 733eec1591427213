"""The vector unit's loop nest against four nested Python loops."""

import numpy as np
import pytest
from benches import run_benches
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Function, Opcode
from systolith.rtl.vector_address import VectorAddress

BASE = dict(rows=4, cols=6, requantise_lanes=2, unified_buffer_bytes=4096, vector_kernel_rows=4)
CONFIG = Config(**BASE)
NEST = dict(y_stride=300, x_count=5, x_stride=6, tap1_count=2, tap1_stride=-30, tap0_count=3, tap0_stride=11,
            out_y_stride=64, out_x_stride=-6, first_column=2, column_step=2)


def walk(config, settings, word):
    """Tokens that an instruction gives, up to the first address out of range; and whether there is one."""
    s, size, mask = settings, config.unified_buffer_bytes, (1 << 26) - 1
    counts = word["y_count"], s["x_count"], s["tap1_count"], s["tap0_count"]
    if not all(counts):
        return [dict(read=0, retire=1)], False
    depthwise = word["function"] == Function.DEPTHWISE
    first, step = (s["first_column"], max(1, s["column_step"])) if depthwise else (0, 1)
    tokens = []
    for y, x, t1, t0 in np.ndindex(*counts):
        read = (word["in_address"] + y * s["y_stride"] + x * s["x_stride"] + t1 * s["tap1_stride"]
                + t0 * s["tap0_stride"]) & mask
        last = (t1, t0) == (counts[2] - 1, counts[3] - 1)
        output = last and x >= first and (x - first) % step == 0
        write = (word["out_address"] + y * s["out_y_stride"] + (x - first) // step * s["out_x_stride"]) & mask
        if read + config.cols > size or (output and write + word["columns"] > size):
            return tokens, True
        token = dict(read=1, first=t1 == t0 == 0, last=last, output=output, kernel_row=(t1 * counts[3] + t0) % 4,
                     function=word["function"], slot=word["slot"],
                     retire=len(tokens) + 1 == np.prod(counts), address=read)
        tokens.append(token | (dict(write=write, columns=word["columns"]) if output else {}))
    return tokens, False


def instruction(**fields):
    return dict(function=Function.SUM, in_address=2000, out_address=1000, y_count=2, slot=1, columns=5) | fields


def run(config, settings, words, cycles=400):
    """Lists of (cycle, token), of the cycles in which instructions were taken, and the fault's pc or None."""
    dut = VectorAddress(config)
    tokens, taken, fault = [], [], []

    async def issue(ctx):
        for name, value in settings.items():
            ctx.set(dut.settings[name], value & (1 << 26) - 1)
        for pc, word in enumerate(words):
            ctx.set(dut.issue.payload.word, int.from_bytes(encode(Opcode.VECTOR, **word), "little"))
            ctx.set(dut.issue.payload.pc, 100 + pc)
            ctx.set(dut.issue.valid, 1)
            while not ctx.get(dut.issue.ready):
                await ctx.tick()
            await ctx.tick()
            ctx.set(dut.issue.valid, 0)  # as a StreamRegister: the payload stays for a cycle
            await ctx.tick()

    async def observe(ctx):
        for cycle in range(cycles):
            step = ctx.get(dut.step)
            if ctx.get(dut.issue.valid) and ctx.get(dut.issue.ready):
                taken.append(cycle)
            if step.read:
                token = {name: step[name] for name in
                         ("read", "first", "last", "output", "kernel_row", "function", "slot", "retire")}
                token["address"] = ctx.get(dut.read_address)
                if step.output:
                    token |= dict(write=ctx.get(dut.write_address), columns=ctx.get(dut.columns))
                tokens.append((cycle, token))
            elif step.retire:
                tokens.append((cycle, dict(read=0, retire=1)))
            if ctx.get(dut.fault):
                assert not ctx.get(dut.issue.ready)
                fault[:] = [ctx.get(dut.fault_pc)]
            await ctx.tick()

    run_benches(dut, observe, background=[issue])
    return tokens, taken, fault[0] if fault else None


@pytest.mark.parametrize("settings", [
    NEST, NEST | dict(tap0_count=1), NEST | dict(tap1_count=1), NEST | dict(x_count=1), NEST | dict(first_column=0),
    NEST | dict(column_step=0), NEST | dict(column_step=3, first_column=4), NEST | dict(first_column=5)])
def test_tokens_of_both_kinds_of_function(settings):
    words = [instruction(function=function, slot=slot) for slot, function in
             enumerate((Function.SUM, Function.DEPTHWISE, Function.MAXIMUM))]
    tokens, _, fault = run(CONFIG, settings, words)
    assert [t for _, t in tokens] == [t for word in words for t in walk(CONFIG, settings, word)[0]]
    assert fault is None


@pytest.mark.parametrize("name", ["y_count", "x_count", "tap1_count", "tap0_count"])
def test_a_count_of_0_only_retires(name):
    settings = NEST | ({name: 0} if name in NEST else {})
    word = instruction(**({name: 0} if name not in NEST else {}), in_address=1 << 25)
    tokens, taken, fault = run(CONFIG, settings, [word] * 2)
    assert [t for _, t in tokens] == [dict(read=0, retire=1)] * 2
    assert [c for c, _ in tokens] == [c + VectorAddress.START_LATENCY for c in taken]
    assert fault is None


@pytest.mark.parametrize("taps", [1, 2, 3, 5])
def test_a_step_takes_the_longer_of_its_reads_and_beats(taps):
    config = Config(**BASE)                  # 3 beats
    settings = NEST | dict(tap1_count=1, tap0_count=taps)
    tokens, taken, _ = run(config, settings, [instruction(y_count=1)] * 2)
    first = [cycle for cycle, t in tokens if t["last"]]
    assert set(np.diff(first[:5])) == {max(taps, config.vector_beats)}
    assert min(np.diff(first)) >= config.vector_beats
    assert tokens[0][0] == taken[0] + VectorAddress.START_LATENCY
    of_second = next(i for i, (_, t) in enumerate(tokens) if t["retire"]) + 1
    assert tokens[of_second][0] - tokens[of_second - 1][0] <= max(4, config.vector_beats)


@pytest.mark.parametrize("word, settings", [
    (dict(in_address=4096 - 6), dict(x_count=1, tap1_count=1, tap0_count=1)),          # last vector in range
    (dict(in_address=4096 - 6, y_count=1), dict(x_count=2, x_stride=1, tap1_count=1, tap0_count=1)),
    (dict(in_address=40, y_count=1), dict(tap0_stride=-11)),                           # below 0
    (dict(out_address=4096 - 5, y_count=1), dict(x_count=1)),                          # last output in range
    (dict(out_address=4096 - 4, y_count=1), dict(x_count=1)),
    (dict(out_address=11, y_count=1), dict()),
    (dict(out_address=4096 - 5, function=Function.DEPTHWISE), dict(out_y_stride=1)),
    (dict(out_address=1 << 25, function=Function.DEPTHWISE), dict(first_column=5)),    # never written
])
def test_the_first_address_out_of_range_ends_the_walk(word, settings):
    settings = NEST | settings
    word = instruction(y_count=2) | word
    if settings["x_count"] == 1:
        settings["y_stride"] = 0
        settings["out_y_stride"] = 0
    expected, bad = walk(CONFIG, settings, word)
    tokens, _, fault = run(CONFIG, settings, [instruction(y_count=0), word])
    assert [t for _, t in tokens][1:] == expected
    assert fault == (101 if bad else None)


def test_random_nests():
    rng = np.random.default_rng(5)
    for _ in range(8):
        settings = {name: int(rng.integers(-40, 40)) if "stride" in name else int(rng.integers(1, 5)) for name in NEST}
        words = [instruction(function=int(rng.integers(7)), y_count=int(rng.integers(0, 4)), slot=int(rng.integers(4)),
                             in_address=int(rng.integers(100, 3900)), columns=int(rng.integers(1, 7)))
                 for _ in range(3)]
        expected, fault = [], None
        for pc, word in enumerate(words):
            tokens, bad = walk(CONFIG, settings, word)
            expected += tokens
            if bad:
                fault = 100 + pc
                break
        tokens, _, found = run(CONFIG, settings, words, cycles=1000)
        assert [t for _, t in tokens] == expected
        assert found == fault
