"""Reads a run of bytes of the unified buffer, one after the other, for packets on their way to the host."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
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

        row = Signal(8 * cols)
        row_left = Signal(range(cols + 1))
        # Rows come from afar, and what takes the bytes is far: registers at both ends, but in a small chip.
        rows, taken = self.host_data, Signal()
        if self._config.compact:
            m.d.comb += [self.bytes.payload.eq(row[:8]), self.bytes.valid.eq(row_left != 0),
                         taken.eq(self.bytes.valid & self.bytes.ready)]
        else:
            m.submodules.register = register = StreamRegister(unsigned(8 * cols))
            wiring.connect(m, wiring.flipped(self.host_data), register.arriving)
            rows = register.kept
            # Emptied at the start: what is left of the last row goes into it, too.
            fifo = SyncFIFO(width=8, depth=2)
            m.submodules.fifo = ResetInserter(self.start)(fifo)
            m.d.comb += [
                fifo.w_data.eq(row[:8]), fifo.w_en.eq(row_left != 0), taken.eq(fifo.w_en & fifo.w_rdy),
                self.bytes.payload.eq(fifo.r_data), self.bytes.valid.eq(fifo.r_rdy), fifo.r_en.eq(self.bytes.ready),
            ]
        m.d.comb += rows.ready.eq((row_left == 0) | ((row_left == 1) & taken))
        with m.If(self.start):
            m.d.sync += row_left.eq(0)
        with m.Elif(rows.valid & rows.ready):
            m.d.sync += [row.eq(rows.payload), row_left.eq(cols)]
        with m.Elif(taken):
            m.d.sync += [row.eq(row[8:]), row_left.eq(row_left - 1)]
        return m
