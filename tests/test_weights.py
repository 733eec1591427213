"""The weight unit on both kinds of memory: what is delivered, in which cycle, and what never is."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Destination, Fault, Opcode
from systolith.rtl.tile_fifo import TileFifo
from systolith.rtl.weight_memory import WeightMemory
from systolith.rtl.weights import WeightUnit

ROWS = 40


def config(rows=3, cols=5, tiles=2, kind="sram", path=1):
    return Config(rows=rows, cols=cols, requantise_lanes=1, weight_fifo_tiles=tiles, weight_memory=kind,
                  weight_memory_rows=ROWS, weight_path_rows=path)


def read_weights(destination, address, count, slot=0):
    return int.from_bytes(encode(Opcode.READ_WEIGHTS, destination=destination, address=address, count=count, slot=slot),
                          "little")


class Bench:
    """The unit with a memory whose row i holds i + 1; records what it does in each cycle, and for each retirement how
    many rows the load bus has brought.

    `latency(i)` is the time of the external memory's i-th answer, `take(cycle)` whether the array takes a row.
    """

    def __init__(self, config, program, cycles, take=lambda cycle: True, latency=lambda i: 0,
                 accept=lambda cycle: True):
        self.unit = unit = WeightUnit(config)
        self.tiles, self.loads, self.retired, self.faults, self.asked, self.active = [], [], [], [], [], []
        m = Module()
        m.submodules.unit = unit
        if config.weight_memory == "sram":
            m.submodules.memory = memory = WeightMemory(config)
            wiring.connect(m, unit.memory, memory.read)
        simulator = Simulator(m)
        simulator.add_clock(1e-6)

        async def fill(ctx):
            for address in range(ROWS):
                ctx.set(memory.write.en, 1)
                ctx.set(memory.write.address, address)
                ctx.set(memory.write.data, address + 1)
                await ctx.tick()
            ctx.set(memory.write.en, 0)

        async def bench(ctx):
            if config.weight_memory == "sram":
                await fill(ctx)
            waiting, answers, answered = list(enumerate(program)), [], 0
            loaded, retired, taken = [], [], []  # cycles
            for cycle in range(cycles):
                ctx.set(unit.unit.issue.valid, bool(waiting))
                if waiting:
                    ctx.set(unit.unit.issue.payload, {"word": waiting[0][1], "pc": 100 + waiting[0][0]})
                ctx.set(unit.tiles.ready, take(cycle))
                if config.weight_memory == "external":
                    ctx.set(unit.request.ready, accept(cycle))
                    due = bool(answers) and answers[0][0] <= cycle
                    ctx.set(unit.response.valid, due)
                    ctx.set(unit.response.payload, answers.pop(0)[1] + 1 if due else 0)
                    assert ctx.get(unit.response.ready)
                    if ctx.get(unit.request.valid) and accept(cycle):
                        self.asked.append((cycle, ctx.get(unit.request.payload)))
                        answers.append((cycle + 1 + latency(answered), self.asked[-1][1]))
                        answered += 1
                elif ctx.get(unit.memory.en):
                    self.asked.append((cycle, ctx.get(unit.memory.address)))
                if ctx.get(unit.tiles.valid) and take(cycle):
                    taken.append(cycle)
                if cycle - TileFifo.LATENCY in taken:
                    self.tiles.append((cycle - TileFifo.LATENCY, ctx.get(unit.tiles.payload)))
                if ctx.get(unit.load.valid):
                    self.loads.append((ctx.get(unit.load.destination), ctx.get(unit.load.slot),
                                       ctx.get(unit.load.index), ctx.get(unit.load.data)))
                    loaded.append(cycle)
                if ctx.get(unit.unit.retire):
                    retired.append(cycle)
                if ctx.get(unit.unit.fault):
                    self.faults.append((cycle, Fault(ctx.get(unit.unit.fault)), ctx.get(unit.unit.fault_pc)))
                self.active.append(ctx.get(unit.unit.active))
                if waiting and ctx.get(unit.unit.issue.ready):
                    waiting.pop(0)
                await ctx.tick()
            self.not_issued = len(waiting)
            # The bus brings the last row in the cycle after the retirement.
            self.retired = [(end, sum(cycle <= end + 1 for cycle in loaded)) for end in retired]

        simulator.add_testbench(bench)
        simulator.run()


def test_rows_stream_one_a_cycle_across_instructions():
    program = [read_weights(Destination.ARRAY, 0, 7), read_weights(Destination.ACTIVATION, 20, 9, slot=2),
               read_weights(Destination.ARRAY, 7, 2), read_weights(Destination.TABLE, 30, 3)]
    bench = Bench(config(tiles=3), program, 40)
    asked = [*range(7), *range(20, 29), 7, 8, *range(30, 33)]
    assert bench.asked == [(3 + i, address) for i, address in enumerate(asked)]
    assert [row for _, row in bench.tiles] == [*range(1, 10)]
    assert bench.loads == [*((Destination.ACTIVATION, 2, i, 21 + i) for i in range(9)),
                           *((Destination.TABLE, 0, i, 31 + i) for i in range(3))]
    last = np.cumsum([7, 9, 2, 3])
    assert [cycle for cycle, _ in bench.retired] == (last + 1 + WeightUnit.DELIVERY).tolist()
    last, _ = bench.retired[-1]
    assert bench.active == [0, 0] + [1] * last + [0] * (40 - last - 2)


def test_short_instructions_for_the_bus_keep_away_from_each_other():
    """A store takes BUS_CYCLES for a row, and the first row of each instruction is for the same one."""
    bus, array = Destination.ACTIVATION, Destination.ARRAY
    program = [read_weights(to, 0, rows)
               for to, rows in ((array, 1), (array, 1), (bus, 1), (bus, 2), (bus, 5), (array, 1))]
    bench = Bench(config(tiles=3), program, 60)
    cycles = [cycle for cycle, _ in bench.asked]
    firsts = [cycles[i] for i in (0, 1, 2, 3, 5, 10)]
    assert np.diff(firsts).tolist() == [2, 2, WeightUnit.BUS_CYCLES, WeightUnit.BUS_CYCLES, 5]


@pytest.mark.parametrize("rows, tiles", [(1, 1), (1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("kind", ["sram", "external"])
def test_a_full_fifo_stops_the_rows_without_losing_any(rows, tiles, kind):
    rng = np.random.default_rng(rows * 10 + tiles)
    takes, times = rng.integers(0, 4, 700) == 0, rng.integers(0, 9, 40)
    takes[:60] = False
    bench = Bench(config(rows, 5, tiles, kind), [read_weights(Destination.ARRAY, 0, ROWS)], 700,
                  take=lambda cycle: bool(takes[cycle]), latency=lambda i: int(times[i]))
    assert [row for _, row in bench.tiles] == [*range(1, ROWS + 1)]
    assert sum(cycle < 60 for cycle, _ in bench.asked) == rows * tiles
    assert not any(bench.active[40:60])


def test_parameters_pass_while_the_fifo_is_full():
    program = [read_weights(Destination.ARRAY, 0, 6), read_weights(Destination.ACTIVATION, 10, 9),
               read_weights(Destination.ARRAY, 6, 1)]
    bench = Bench(config(), program, 60, take=lambda cycle: False)
    assert len(bench.loads) == 9
    assert len(bench.retired) == 2


def test_external_memory_streams_whatever_its_latency():
    program = [read_weights(Destination.ACTIVATION, 4 * i, 4) for i in range(10)]
    bench = Bench(config(kind="external"), program, 90, latency=lambda i: 20)
    assert [cycle for cycle, _ in bench.retired] == [27 + 4 * i for i in range(10)]
    assert [row for *_, row in bench.loads] == [*range(1, 41)]


def test_external_memory_may_refuse_and_answer_at_any_time():
    rng = np.random.default_rng(5)
    accepts, times = rng.integers(0, 2, 300), rng.integers(0, 12, 100)
    fields = [(rng.integers(0, 4), rng.integers(0, 30), rng.integers(0, 10)) for _ in range(12)]
    program = [read_weights(*map(int, values)) for values in fields]
    bench = Bench(config(kind="external"), program, 300, accept=lambda cycle: bool(accepts[cycle]),
                  latency=lambda i: int(times[i]))
    expected_loads, expected_tiles, counts = [], [], []
    for destination, address, count in fields:
        (expected_tiles if destination == Destination.ARRAY else expected_loads).extend(
            range(address + 1, address + count + 1))
        counts.append(len(expected_loads))
    assert [row for *_, row in bench.loads] == expected_loads
    assert [row for _, row in bench.tiles] == expected_tiles
    assert [loaded for _, loaded in bench.retired] == counts


@pytest.mark.parametrize("kind", ["sram", "external"])
def test_instructions_without_rows_retire_in_order_without_effect(kind):
    program = [read_weights(Destination.ACTIVATION, 0, 0), read_weights(Destination.TABLE, 3, 2),
               read_weights(Destination.ARRAY, ROWS + 5, 0), read_weights(Destination.TABLE, 5, 2)]
    bench = Bench(config(kind=kind), program, 50, latency=lambda i: 4)
    assert [loaded for _, loaded in bench.retired] == [0, 2, 2, 4]
    assert not bench.faults and not bench.tiles


@pytest.mark.parametrize("address, count, delivered", [(ROWS - 2, 3, 2), (ROWS, 1, 0), ((1 << 28) - 1, 2, 0)])
@pytest.mark.parametrize("kind", ["sram", "external"])
def test_a_row_out_of_range_is_a_fault_after_those_in_range(kind, address, count, delivered):
    program = [read_weights(Destination.TABLE, 0, 1), read_weights(Destination.TABLE, address, count),
               *[read_weights(Destination.TABLE, 0, 1)] * 2]  # one stays in the register before the unit
    bench = Bench(config(kind=kind), program, 50, latency=lambda i: 6)
    assert all(address < ROWS for _, address in bench.asked)
    assert len(bench.loads) == 1 + delivered
    (cycle, fault, pc), = bench.faults
    assert (fault, pc) == (Fault.WEIGHT_MEMORY_RANGE, 101)
    assert len(bench.retired) == 1 and bench.retired[0][0] < cycle
    assert bench.not_issued == 1 and not any(bench.active[cycle + 1:])


def test_the_last_row_is_in_range():
    bench = Bench(config(), [read_weights(Destination.TABLE, ROWS - 2, 2)], 20)
    assert [row for *_, row in bench.loads] == [ROWS - 1, ROWS]
    assert not bench.faults


def pairs(first, count):
    """What the stream for the array holds for these rows, two at once."""
    return [first + i + 1 | first + i + 2 << 40 for i in range(0, count, 2)]


def test_two_rows_a_cycle_for_the_array_and_one_for_the_bus():
    program = [read_weights(Destination.ARRAY, 4, 12), read_weights(Destination.ACTIVATION, 21, 9, slot=2),
               read_weights(Destination.ARRAY, 0, 4), read_weights(Destination.TABLE, 30, 3)]
    bench = Bench(config(rows=4, tiles=4, path=2), program, 60)
    words = [*range(2, 8), *(row // 2 for row in range(21, 30)), 0, 1, 15, 15, 16]
    assert bench.asked == [(3 + i, word) for i, word in enumerate(words)]
    assert [rows for _, rows in bench.tiles] == [*pairs(4, 12), *pairs(0, 4)]
    assert bench.loads == [*((Destination.ACTIVATION, 2, i, 22 + i) for i in range(9)),
                           *((Destination.TABLE, 0, i, 31 + i) for i in range(3))]


@pytest.mark.parametrize("rows, tiles", [(2, 1), (4, 1), (2, 3)])
def test_a_full_fifo_stops_pairs_of_rows_without_losing_any(rows, tiles):
    takes = np.random.default_rng(rows * 10 + tiles).integers(0, 4, 500) == 0
    takes[:60] = False
    bench = Bench(config(rows, 5, tiles, path=2), [read_weights(Destination.ARRAY, 0, ROWS)], 500,
                  take=lambda cycle: bool(takes[cycle]))
    assert [found for _, found in bench.tiles] == pairs(0, ROWS)
    assert sum(cycle < 60 for cycle, _ in bench.asked) == rows * tiles // 2


@pytest.mark.parametrize("destination, first, count, there", [
    (Destination.ARRAY, ROWS - 4, 8, 4), (Destination.ARRAY, ROWS, 2, 0), (Destination.ACTIVATION, ROWS - 3, 9, 3),
    (Destination.TABLE, ROWS - 1, 2, 1)])
def test_pairs_of_rows_behind_the_memory_are_a_fault(destination, first, count, there):
    bench = Bench(config(rows=4, path=2), [read_weights(destination, first, count)], 60)
    assert [fault for _, fault, _ in bench.faults] == [Fault.WEIGHT_MEMORY_RANGE]
    assert [found for _, found in bench.tiles] == (pairs(first, there) if destination == Destination.ARRAY else [])
    loads = [] if destination == Destination.ARRAY else [*range(first + 1, first + there + 1)]
    assert [row for *_, row in bench.loads] == loads
