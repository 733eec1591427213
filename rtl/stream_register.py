"""A register in a stream, for what comes from afar."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamRegister"]


class StreamRegister(wiring.Component):
    """Takes what comes next while its receiver is busy with what came before.

    Its own state alone says whether it takes something: whether the receiver does is known late in a cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.

    Members
    -------
    arriving : In(stream)
        Ready while nothing is kept.
    kept : Out(stream)
        The payload stays for one more cycle after it was taken.

    Latency
    -------
    1 cycle; a transfer every second cycle.
    """

    def __init__(self, shape):
        self._shape = shape
        super().__init__({"arriving": In(stream.Signature(shape)), "kept": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        payload, valid = Signal(self._shape, reset_less=True), Signal()
        m.d.comb += [self.arriving.ready.eq(~valid), self.kept.valid.eq(valid), self.kept.payload.eq(payload)]
        with m.If(~valid):
            m.d.sync += [payload.eq(self.arriving.payload), valid.eq(self.arriving.valid)]
        with m.Elif(self.kept.ready):
            m.d.sync += valid.eq(0)
        return m
