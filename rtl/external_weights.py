"""The weight unit's streams to an external memory, kept whole when the unit is reset."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ExternalWeights"]

#: More reads than are ever on their way.
_COUNT_BITS = 20


class ExternalWeights(wiring.Component):
    """Stands between a weight unit, which a reset stops at any time, and a memory, which knows of no reset.

    A request that was offered stays until it is taken. What the memory answers to requests from before the reset is
    dropped.

    Parameters
    ----------
    address_bits, row_bits : int
        Widths of a request and of its answer.

    Members
    -------
    clear : In(1)
        The unit is in reset.
    unit_request : In(stream), unit_response : Out(stream)
        To the weight unit.
    request : Out(stream), response : In(stream)
        To the memory.

    Latency
    -------
    1 cycle for a request, none for its answer; one of each a cycle.
    """

    def __init__(self, address_bits, row_bits):
        requests, responses = stream.Signature(unsigned(address_bits)), stream.Signature(unsigned(row_bits))
        super().__init__({"clear": In(1), "unit_request": In(requests), "unit_response": Out(responses),
                          "request": Out(requests), "response": In(responses)})

    def elaborate(self, platform):
        m = Module()
        accept = Signal()
        m.d.comb += [
            self.unit_request.ready.eq(~self.request.valid | self.request.ready),
            accept.eq(self.unit_request.valid & self.unit_request.ready & ~self.clear),
        ]
        with m.If(self.unit_request.ready):
            m.d.sync += [self.request.valid.eq(accept), self.request.payload.eq(self.unit_request.payload)]

        pending, stale = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        pending_next = Signal(_COUNT_BITS)
        answered, drop = Signal(), Signal()
        m.d.comb += [
            drop.eq(self.clear | (stale != 0)),
            self.unit_response.valid.eq(self.response.valid & ~drop),
            self.unit_response.payload.eq(self.response.payload),
            self.response.ready.eq(self.unit_response.ready | drop),
            answered.eq(self.response.valid & self.response.ready),
            pending_next.eq(pending + accept - answered),
        ]
        m.d.sync += pending.eq(pending_next)
        with m.If(self.clear):
            m.d.sync += stale.eq(pending_next)
        with m.Elif(answered & drop):
            m.d.sync += stale.eq(stale - 1)
        return m
