"""Tags on their way: each waits for the work that it closes."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .isa import SEMAPHORE_BITS, TABLE, Opcode
from .waits import SemaphoreLayout, SemaphoreWait

__all__ = ["TAG_BITS", "TAG_QUEUE_DEPTH", "TagLayout", "TagQueue"]

TAG_BITS = TABLE[Opcode.TAG].layout()["tag"][1]

#: Tags that may wait before dispatch waits for them.
TAG_QUEUE_DEPTH = 4


class TagLayout(data.StructLayout):
    """A tag: its number, the unit it watches and the count that the unit's semaphore must reach."""
    def __init__(self):
        super().__init__({"tag": TAG_BITS, "unit": 3, "count": SEMAPHORE_BITS})


class TagQueue(wiring.Component):
    """Asks for each tag's snapshot once its unit has retired what was dispatched to it before the tag.

    Tags are recorded in program order: one that watches a fast unit waits for those before it.

    Parameters
    ----------
    config : Config

    Members
    -------
    push : In(stream of TagLayout)
    semaphores : In(SemaphoreLayout)
    snapshot : Out(1)
        Record the counters now ...
    tag : Out(12)
        ... under this number.
    empty : Out(1)
        No tag waits.

    Latency
    -------
    The snapshot comes 2 cycles after the semaphore reached the count; at best one every third cycle.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({"push": In(stream.Signature(TagLayout())), "semaphores": In(SemaphoreLayout(config)),
                          "snapshot": Out(1), "tag": Out(TAG_BITS), "empty": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=TagLayout().size, depth=TAG_QUEUE_DEPTH)
        head = data.View(TagLayout(), fifo.r_data)
        m.submodules.wait = wait = SemaphoreWait(self._config)
        met = wait.met
        m.d.comb += [
            wait.unit.eq(head.unit), wait.count.eq(head.count), wait.semaphores.eq(self.semaphores),
            wait.restart.eq(~fifo.r_rdy | met),
            fifo.w_data.eq(self.push.payload),
            fifo.w_en.eq(self.push.valid),
            self.push.ready.eq(fifo.w_rdy),
            fifo.r_en.eq(met),
            self.snapshot.eq(met),
            self.tag.eq(head.tag),
            self.empty.eq(fifo.level == 0),
        ]
        return m
