"""Waits of small programs by hand, and of random ones against a schedule that overlaps as much as the waits allow."""

import numpy as np
import pytest
from systolith.host.compiler.hazards import Hazards, encode_waiting
from systolith.rtl.encoding import decode
from systolith.rtl.isa import Opcode, Unit

HOST, WEIGHT, MATRIX, ACTIVATION, VECTOR = Unit.HOST, Unit.WEIGHT, Unit.MATRIX, Unit.ACTIVATION, Unit.VECTOR


def test_independent_work_does_not_wait():
    hazards = Hazards()
    assert hazards.place(MATRIX, [("buffer", 0, 16)], [("accumulators", 0, 4)]) == []
    assert hazards.place(ACTIVATION, [("accumulators", 4, 8)], [("buffer", 16, 32)]) == []
    assert hazards.place(VECTOR, [("buffer", 0, 16)], [("buffer", 32, 48)]) == []


def test_read_after_write_waits_for_the_newest_writer():
    hazards = Hazards()
    hazards.place(MATRIX, writes=[("accumulators", 0, 4)])
    hazards.place(MATRIX, writes=[("accumulators", 2, 3)])
    hazards.place(MATRIX, writes=[("accumulators", 4, 8)])
    assert hazards.place(ACTIVATION, [("accumulators", 0, 4)]) == [(MATRIX, 2)]


def test_write_waits_for_readers_and_writers():
    hazards = Hazards()
    hazards.place(HOST, writes=[("buffer", 0, 10)])
    hazards.place(MATRIX, [("buffer", 20, 30)])
    hazards.place(VECTOR, [("buffer", 29, 31)])
    assert hazards.place(ACTIVATION, writes=[("buffer", 9, 30)]) == [(HOST, 1), (MATRIX, 1), (VECTOR, 1)]


def test_own_unit_waits_only_to_read_the_buffer_it_wrote():
    hazards = Hazards()
    hazards.place(VECTOR, [("buffer", 0, 8)], [("buffer", 8, 16)])
    assert hazards.place(VECTOR, [("buffer", 32, 40)], [("buffer", 0, 12)]) == []
    assert hazards.place(VECTOR, [("buffer", 15, 16)]) == [(VECTOR, 1)]
    hazards.place(MATRIX, writes=[("accumulators", 0, 4)])
    assert hazards.place(MATRIX, [("accumulators", 0, 4)], [("accumulators", 0, 4)]) == []


def test_slots_and_table_are_resources():
    hazards = Hazards()
    hazards.place(WEIGHT, writes=[("parameters", 1, 2)])
    hazards.place(WEIGHT, writes=[("table", 0, 1)])
    assert hazards.place(ACTIVATION, [("parameters", 0, 1)]) == []
    assert hazards.place(ACTIVATION, [("parameters", 1, 2), ("table", 0, 1)]) == [(WEIGHT, 2)]
    assert hazards.place(WEIGHT, writes=[("vector_parameters", 1, 2)]) == []
    assert hazards.place(WEIGHT, writes=[("parameters", 1, 2)]) == [(ACTIVATION, 2)]


def test_implied_waits_are_left_out():
    hazards = Hazards()
    hazards.place(MATRIX, writes=[("accumulators", 0, 4)])
    hazards.place(ACTIVATION, [("accumulators", 0, 4)], [("buffer", 0, 8)])
    assert hazards.place(VECTOR, [("buffer", 0, 8)], [("buffer", 8, 16)]) == [(ACTIVATION, 1)]
    # Already waited for by the same queue.
    assert hazards.place(VECTOR, [("buffer", 0, 4)], [("buffer", 16, 24)]) == []
    # The vector work waited for the activation, which waited for the matrix.
    assert hazards.place(HOST, [("buffer", 16, 24), ("buffer", 0, 8), ("accumulators", 0, 4)]) == [(VECTOR, 2)]


def test_empty_intervals_and_cut_segments():
    hazards = Hazards()
    hazards.place(HOST, writes=[("buffer", 0, 100)])
    hazards.place(HOST, writes=[("buffer", 40, 60)])
    hazards.place(HOST, writes=[("buffer", 50, 50)])
    assert hazards.place(MATRIX, [("buffer", 50, 50)]) == []
    assert hazards.place(MATRIX, [("buffer", 0, 40)]) == [(HOST, 1)]
    assert hazards.place(VECTOR, [("buffer", 59, 61)]) == [(HOST, 2)]


def test_old_work_is_named_by_a_count_the_semaphore_can_compare():
    hazards = Hazards()
    hazards.place(HOST, writes=[("buffer", 0, 8)])
    for _ in range(69_999):
        hazards.place(HOST)
    (unit, count), = hazards.place(MATRIX, [("buffer", 0, 8)])
    assert unit == HOST
    assert (70_000 - count) % 65_536 <= 1 << 14


@pytest.mark.parametrize("seed", range(20))
def test_every_conflict_is_ordered(seed):
    """Closes the waits transitively and checks every conflicting pair by brute force."""
    rng = np.random.default_rng(seed)
    hazards, program, placed = Hazards(), [], {unit: [] for unit in Unit}
    for _ in range(60):
        unit = Unit(int(rng.integers(1, 6)))
        reads, writes = ([("buffer", int(s), int(s + rng.integers(1, 12))) for s in rng.integers(0, 60, n)]
                         for n in rng.integers(0, 3, 2))
        before = {placed[other][count - 1] for other, count in hazards.place(unit, reads, writes)}
        finished = set().union(before, *(program[i][3] for i in before))
        if placed[unit]:
            started = placed[unit][-1]
            finished |= program[started][3]
        for index, (other, old_reads, old_writes, _) in enumerate(program):
            conflict = (overlap(reads, old_writes) or
                        (other != unit and (overlap(writes, old_writes) or overlap(writes, old_reads))))
            if conflict:
                in_order = any(index <= i for i in placed[other] if i in finished)
                assert in_order, (unit, len(program), index)
        placed[unit].append(len(program))
        program.append((unit, reads, writes, finished))


def overlap(a, b):
    return any(start < other_stop and other_start < stop for _, start, stop in a for _, other_start, other_stop in b)


def test_more_than_two_waits_go_into_synchronise():
    code = encode_waiting(Opcode.VECTOR, VECTOR, [(HOST, 1), (WEIGHT, 2), (MATRIX, 3)], columns=4)
    rows = [decode(code[i:i + 16]) for i in range(0, len(code), 16)]
    assert [row.opcode for row, _ in rows] == [Opcode.SYNCHRONISE, Opcode.VECTOR]
    sync, work = rows[0][1], rows[1][1]
    assert (sync["unit"], sync["wait0_unit"], sync["wait0_count"], sync["wait1_unit"], sync["wait1_count"]) == \
        (VECTOR, HOST, 1, WEIGHT, 2)
    assert (work["wait0_unit"], work["wait0_count"], work["wait1_unit"], work["columns"]) == (MATRIX, 3, 0, 4)
