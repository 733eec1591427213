"""Reads a run of bytes of the unified buffer, one after the other, for packets on their way to the host."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ADDRESS_BITS
from .stream_queue import StreamQueue
from .stream_register import StreamRegister

__all__ = ["ByteReader"]

#: Bytes that are taken out of a row at once: few enough to shift, as whole rows are wires across the chip.
_WORD = 4


class ByteReader(wiring.Component):
    """Turns rows of `cols` bytes into bytes.

    It requests the rows it needs and takes every one, the last one with the next `start` at the latest, provided that
    all `count` bytes are taken.

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
    The first request 2 cycles after `start`, the first byte 5 cycles after its row; of a compact chip 1 and 1. Then a
    byte a cycle, and a cycle more for a row whose last word is one byte; requests run ahead as far as `host_read`
    accepts them.
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

        # Rows come from afar, and what takes the bytes is far: registers at all ends, but in a small chip.
        compact = self._config.compact
        asks, rows = wiring.flipped(self.host_read), wiring.flipped(self.host_data)
        if not compact:
            m.submodules.asks = ask_register = StreamRegister(unsigned(ADDRESS_BITS))
            m.submodules.rows = row_register = StreamRegister(unsigned(8 * cols))
            wiring.connect(m, ask_register.kept, asks)
            wiring.connect(m, rows, row_register.arriving)
            asks, rows = ask_register.arriving, row_register.kept

        address, to_request = Signal(ADDRESS_BITS), Signal.like(self.count)
        m.d.comb += [asks.valid.eq(to_request != 0), asks.payload.eq(address)]
        with m.If(self.start):
            m.d.sync += [address.eq(self.address), to_request.eq(self.count)]
        with m.Elif(asks.valid & asks.ready):
            m.d.sync += [address.eq(address + cols), to_request.eq(Mux(to_request > cols, to_request - cols, 0))]

        # The row of which bytes are being taken stays in the stream; its words of up to four bytes come out of it one
        # after the other, and bytes out of the word: whether there is one, and how many follow the byte at its low end.
        words = -(-cols // _WORD)
        word, some, following, number = (
            Signal(8 * _WORD), Signal(), Signal(range(_WORD)), Signal(range(max(words, 2))))
        last, load, taken = following == 0, Signal(), Signal()
        if compact:
            m.d.comb += [self.bytes.payload.eq(word[:8]), self.bytes.valid.eq(some), taken.eq(some & self.bytes.ready)]
        else:
            # Emptied at the start: what is left of the last row goes into it, too.
            queue = StreamQueue(8)
            m.submodules.queue = ResetInserter(self.start)(queue)
            wiring.connect(m, queue.kept, wiring.flipped(self.bytes))
            m.d.comb += [queue.arriving.payload.eq(word[:8]), queue.arriving.valid.eq(some),
                         taken.eq(some & queue.arriving.ready)]
        last_word = number == words - 1
        m.d.comb += [
            load.eq(rows.valid & (~some | (last & taken))),
            rows.ready.eq(self.start | (load & last_word)),
        ]
        with m.If(load):
            m.d.sync += [word.eq(rows.payload.word_select(number, 8 * _WORD)), some.eq(1), number.eq(number + 1),
                         following.eq(_WORD - 1)]
            with m.If(last_word):
                m.d.sync += [number.eq(0), following.eq(cols - _WORD * (words - 1) - 1)]
        with m.Elif(taken):
            m.d.sync += [word.eq(word.rotate_right(8)), some.eq(~last), following.eq(following - 1)]
        # The bytes themselves need not know.
        with m.If(self.start):
            m.d.sync += [some.eq(0), number.eq(0)]
        return m
