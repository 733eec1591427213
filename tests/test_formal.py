"""Proofs of the small control blocks: for every input, not only for the ones that a simulation tries."""

import pytest
from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, ResetSignal, Signal
from formal import prove
from systolith.rtl.config import Config
from systolith.rtl.interfaces import IssueLayout, field
from systolith.rtl.isa import SEMAPHORE_BITS, Opcode, Unit
from systolith.rtl.tag_queue import TagQueue
from systolith.rtl.unit_queue import UnitQueue
from systolith.rtl.waits import HEAD_BITS, SemaphoreLayout, reached

pytestmark = pytest.mark.formal

CONFIG = Config(rows=4, cols=4, requantise_lanes=1, queue_depth=2)


def _rising_semaphores(m):
    """Semaphores that each count up by at most one a cycle, from zero, as retiring work makes them."""
    semaphores = Signal(SemaphoreLayout(CONFIG))
    for unit in range(1, len(semaphores)):
        m.d.sync += semaphores[unit].eq(semaphores[unit] + AnySeq(1))
    return semaphores


class UnitQueueSpec(Elaboratable):
    """Instructions leave in the order in which they came, none lost or doubled, each only when its waits hold, and an
    offer stands until it is taken."""

    def elaborate(self, platform):
        m = Module()
        m.d.comb += Assume(~ResetSignal())
        m.submodules.queue = queue = UnitQueue(CONFIG)
        # The queue looks at no bits of the instruction but these; the solver need not carry the others.
        m.d.comb += [queue.push.valid.eq(AnySeq(1)), queue.push.payload.word[:HEAD_BITS].eq(AnySeq(HEAD_BITS)),
                     queue.issue.ready.eq(AnySeq(1)), queue.semaphores.eq(_rising_semaphores(m))]

        # The address stands for the instruction's number. Synchronise ends in the queue, so it is left out here.
        pushed, issued = Signal(16), Signal(16)
        push, issue = queue.push, queue.issue
        m.d.comb += [push.payload.pc.eq(pushed),
                     Assume(field(push.payload.word, Opcode.SYNCHRONISE, "opcode") != Opcode.SYNCHRONISE)]
        # The queue compares modulo 2**16; a program waits for counts that are near.
        for n in range(2):
            m.d.comb += Assume(field(push.payload.word, Opcode.NOP, f"wait{n}_count") < 8)
        with m.If(push.valid & push.ready):
            m.d.sync += pushed.eq(pushed + 1)
        with m.If(issue.valid & issue.ready):
            m.d.sync += issued.eq(issued + 1)
        with m.If(issue.valid):
            m.d.comb += Assert(issue.payload.pc == issued)
            for n in range(2):
                unit = field(issue.payload.word, Opcode.NOP, f"wait{n}_unit")
                count = field(issue.payload.word, Opcode.NOP, f"wait{n}_count")
                m.d.comb += Assert((unit > Unit.VECTOR) | reached(queue.semaphores, unit, count))
        m.d.comb += Assert(queue.empty == (pushed == issued))

        offered, offer = Signal(), Signal(IssueLayout())
        m.d.sync += [offered.eq(issue.valid & ~issue.ready), offer.eq(issue.payload)]
        with m.If(offered):
            m.d.comb += [Assert(issue.valid), Assert(issue.payload.as_value() == offer.as_value())]
        m.d.comb += Cover(issued == 3)
        return m


class TagQueueSpec(Elaboratable):
    """Snapshots come in the order of their tags, none before its count is reached."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.tags = tags = TagQueue(CONFIG)
        m.d.comb += [tags.push.valid.eq(AnySeq(1)), tags.semaphores.eq(_rising_semaphores(m))]

        # All tags watch one unit; the numbers count up, and so do the counts, by steps of up to three.
        pushed, taken, count = Signal(12), Signal(12), Signal(SEMAPHORE_BITS)
        push = tags.push
        m.d.comb += [push.payload.tag.eq(pushed), push.payload.unit.eq(Unit.MATRIX),
                     push.payload.count.eq(pushed + (pushed >> 1))]
        with m.If(push.valid & push.ready):
            m.d.sync += pushed.eq(pushed + 1)
        with m.If(tags.snapshot):
            m.d.sync += taken.eq(taken + 1)
            m.d.comb += [Assert(tags.tag == taken), Assert(taken != pushed),
                         Assert(reached(tags.semaphores, Unit.MATRIX, count))]
        m.d.comb += [count.eq(taken + (taken >> 1)), Assert(tags.empty == (pushed == taken)), Cover(taken == 3)]
        return m


@pytest.mark.parametrize("spec", [UnitQueueSpec, TagQueueSpec])
def test_holds_from_reset(spec):
    prove(spec(), mode="bmc", depth=18)


@pytest.mark.parametrize("spec", [UnitQueueSpec, TagQueueSpec])
def test_is_not_vacuous(spec):
    prove(spec(), mode="cover", depth=30)
