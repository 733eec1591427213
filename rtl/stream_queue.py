"""A short queue in a stream, for what comes from afar without a pause."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .delay import delayed

__all__ = ["StreamQueue"]

_DEPTH = 8


class StreamQueue(wiring.Component):
    """As `StreamRegister`, but takes a transfer every cycle; a register says whether it does.

    Parameters
    ----------
    width : int, bits
        Of the payload.

    Members
    -------
    arriving : In(stream of `width` bits)
        Ready from the second cycle after a reset on.
    kept : Out(stream of `width` bits)
        In order; eight transfers fit.
    empty : Out(1)
        Nothing is kept.

    Latency
    -------
    3 cycles; a transfer every cycle.
    """

    def __init__(self, width):
        super().__init__({"arriving": In(stream.Signature(width)), "kept": Out(stream.Signature(width)),
                          "empty": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=self.arriving.payload.shape().width, depth=_DEPTH)
        room, arrived = Signal(), Signal()
        # It leaves places for what is under way in this cycle and the two before.
        m.d.sync += [room.eq(fifo.level <= _DEPTH - 3), arrived.eq(self.arriving.valid & room)]
        m.d.comb += [
            self.arriving.ready.eq(room), fifo.w_data.eq(delayed(m, self.arriving.payload, 1)), fifo.w_en.eq(arrived),
            self.kept.payload.eq(fifo.r_data), self.kept.valid.eq(fifo.r_rdy), fifo.r_en.eq(self.kept.ready),
            self.empty.eq((fifo.level == 0) & ~arrived),
        ]
        return m
