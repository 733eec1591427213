"""Reads a run of bytes of the unified buffer, one after the other, for packets on their way to the host."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .config import ADDRESS_BITS
from .stream_register import StreamRegister

__all__ = ["ByteReader"]


class ByteReader(wiring.Component):
    """Turns rows of `cols` bytes into bytes.

    It requests the rows it needs and takes every one, provided that all `count` bytes are taken.

    Parameters
    ----------
    config : Config

    Members
    -------
    start : In(1)
        Pulse: read `count` bytes from `address` on. All bytes of the run before have been taken.
    address : In(26), bytes
    count : In(range(packet_bytes + 1)), bytes
    host_read : Out(stream of addresses)
        A request for the cols bytes from that address.
    host_data : In(stream of 8 * cols bits)
        The answers, in order, after any time. Bytes past the end of the buffer are not looked at.
    bytes : Out(stream of bytes)

    Latency
    -------
    A byte a cycle once a row has come; requests run ahead as far as `host_read` accepts them.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "start": In(1), "address": In(ADDRESS_BITS), "count": In(range(config.packet_bytes + 1)),
            "host_read": Out(stream.Signature(unsigned(ADDRESS_BITS))),
            "host_data": In(stream.Signature(unsigned(8 * config.cols))),
            "bytes": Out(stream.Signature(unsigned(8)))})

    def elaborate(self, platform):
        m = Module()
        cols = self._config.cols

        to_request = Signal.like(self.count)
        m.d.comb += self.host_read.valid.eq(to_request != 0)
        with m.If(self.start):
            m.d.sync += [self.host_read.payload.eq(self.address), to_request.eq(self.count)]
        with m.Elif(self.host_read.valid & self.host_read.ready):
            m.d.sync += [self.host_read.payload.eq(self.host_read.payload + cols),
                         to_request.eq(Mux(to_request > cols, to_request - cols, 0))]

        # The row of which bytes are being taken: whether there is one, and how many follow the byte at its low end.
        row, some, following = Signal(8 * cols), Signal(), Signal(range(cols))
        last = following == 0
        rows, taken = self.host_data, Signal()
        if self._config.compact:
            m.d.comb += [self.bytes.payload.eq(row[:8]), self.bytes.valid.eq(some), taken.eq(some & self.bytes.ready)]
        else:
            # Rows come from afar, and what takes the bytes is far: registers at both ends. All bits of the row move
            # with `room`, which is one: it leaves a place for what is under way.
            m.submodules.register = register = StreamRegister(unsigned(8 * cols))
            wiring.connect(m, wiring.flipped(self.host_data), register.arriving)
            rows, room = register.kept, Signal()
            # Emptied at the start: what is left of the last row goes into it, too.
            fifo = SyncFIFOBuffered(width=8, depth=4)
            m.submodules.fifo = ResetInserter(self.start)(fifo)
            m.d.sync += room.eq(fifo.level <= 2)
            m.d.comb += [
                fifo.w_data.eq(row[:8]), fifo.w_en.eq(taken), taken.eq(some & room),
                self.bytes.payload.eq(fifo.r_data), self.bytes.valid.eq(fifo.r_rdy), fifo.r_en.eq(self.bytes.ready),
            ]
        m.d.comb += rows.ready.eq(~some | (last & taken))
        with m.If(self.start):
            m.d.sync += some.eq(0)
        with m.Elif(rows.valid & rows.ready):
            m.d.sync += [row.eq(rows.payload), some.eq(1), following.eq(cols - 1)]
        with m.Elif(taken):
            m.d.sync += [row.eq(row[8:]), some.eq(~last), following.eq(following - 1)]
        return m
