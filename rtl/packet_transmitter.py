"""Transmitter of packets: fetches the payload where it is and adds header and CRC."""

import struct

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from .byte_reader import ByteReader
from .compact.counters import WORD_BITS
from .config import ADDRESS_BITS
from .counters import COUNTER_BITS
from .delay import delayed
from .interfaces import MemoryRead, StatusLayout
from .packets import COUNTERS, INFO, MAGIC, PROTOCOL, SYNC, pack_fields
from .serial_crc import SerialCrc
from .stream_queue import StreamQueue
from .tag_queue import TAG_BITS

__all__ = ["INFO_BYTES", "STATUS_BYTES", "Content", "PacketRequest", "PacketTransmitter", "tag_words"]

INFO_BYTES = struct.calcsize("<" + "".join(code for _, code in INFO))
STATUS_BYTES = StatusLayout().size // 8


class Content(enum.Enum, shape=3):
    """Where the bytes of a payload after `number` come from."""
    NONE = 0
    INFO = 1
    STATUS = 2
    TAGS = 3
    BUFFER = 4


class PacketRequest(data.StructLayout):
    """A packet to send: the payload is the low `number_bytes` bytes of `number`, then `count` bytes of `content`, none
    of NONE and at least one of others.

    `address` is where they begin: a snapshot for TAGS, a byte for BUFFER.
    """
    def __init__(self, config):
        super().__init__({"kind": 8, "sequence": 8, "number": 48, "number_bytes": range(7), "content": Content,
                          "count": range(config.packet_bytes + 1), "address": ADDRESS_BITS})


def tag_words(config):
    """The port through which snapshots are read: a whole one at a time, or of a compact chip a word, see
    `CompactCounters`."""
    if config.compact:
        return MemoryRead(WORD_BITS + TAG_BITS, COUNTER_BITS)
    return MemoryRead(TAG_BITS, COUNTER_BITS * len(COUNTERS))


class PacketTransmitter(wiring.Component):
    """Sends one packet after the other; a packet that has begun is always completed.

    Parameters
    ----------
    config : Config

    Members
    -------
    packet : In(stream of PacketRequest)
        Accepted when everything before it has left.
    sent : Out(1)
        Pulse when the last byte of a packet has left: in the cycle after that, of a compact chip in it.
    status : In(StatusLayout)
        Each 32-bit word is sampled as a whole, up to 40 bytes apart.
    tags : Out(tag_words(config)), fresh : In(1)
        Snapshots. Of a compact chip also the counters, which its `status` leaves out; only then is there `fresh`.
    host_read, host_data
        See `ByteReader`.
    tx : Out(stream of bytes)

    Latency
    -------
    The first byte 4 cycles after the request, of a compact chip 2; then a byte a cycle (as far as the buffer delivers;
    of other content four bytes in six cycles; before the CRC a cycle is lost), in a compact chip every
    `SerialCrc.CYCLES`.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "packet": In(stream.Signature(PacketRequest(config))), "sent": Out(1), "status": In(StatusLayout()),
            "tags": Out(tag_words(config)), "fresh": In(1),
            "host_read": Out(stream.Signature(unsigned(ADDRESS_BITS))),
            "host_data": In(stream.Signature(unsigned(8 * config.cols))),
            "tx": Out(stream.Signature(unsigned(8)))})

    def elaborate(self, platform):
        m = Module()
        compact = self._config.compact
        m.submodules.crc = crc = SerialCrc() if compact else catalog.CRC32_ETHERNET(data_width=8).create()
        m.submodules.reader = reader = ByteReader(self._config)
        wiring.connect(m, wiring.flipped(self.host_read), reader.host_read)
        wiring.connect(m, wiring.flipped(self.host_data), reader.host_data)
        request, tx = self.packet.payload, self.tx

        # INFO, STATUS and TAGS are sent by words. From one load to the next are the registers of the index, the tag
        # memory and three multiplexers, so that a word takes six cycles.
        content = Signal(Content)
        index, is_last_tag = Signal(range(1 + len(COUNTERS))), Signal()
        table, word = Signal(32), Signal(32)
        info = pack_fields(INFO, {"magic": MAGIC, "protocol": PROTOCOL, "rows": self._config.rows,
                                  "cols": self._config.cols, "digest": self._config.digest()})
        info_words = Const(int.from_bytes(info, "little"), 32 * -(-len(info) // 4))
        status = self.status.as_value()
        load, late = Signal(), Signal()
        tag = Signal(TAG_BITS)
        if compact:
            # The words are those of `CompactCounters`: not always there in time.
            moved = Signal()
            m.d.comb += self.tags.address.eq(Cat(index, tag))
            m.d.sync += moved.eq(load)
            with m.If(load):
                m.d.sync += late.eq(1)
            with m.Elif(self.fresh & ~moved):
                m.d.sync += late.eq(0)
            with m.If(content == Content.INFO):
                m.d.sync += table.eq(info_words.word_select(index, 32))
            with m.Elif((content == Content.STATUS) & (index == 0)):
                m.d.sync += table.eq(status[:32])
            with m.Elif(self.fresh):
                m.d.sync += table.eq(self.tags.data)
        else:
            m.d.comb += [self.tags.address.eq(tag), self.tags.en.eq(1)]
            info_word, status_word, tag_word = (
                _word(m, words, index) for words in (info_words, status, self.tags.data))
            with m.Switch(content):
                with m.Case(Content.INFO):
                    m.d.sync += table.eq(info_word)
                with m.Case(Content.STATUS):
                    m.d.sync += table.eq(status_word)
                with m.Default():
                    m.d.sync += table.eq(tag_word)
            m.d.sync += late.eq(delayed(m, load, 4))
        with m.If(load if compact else delayed(m, load, 1)):
            m.d.sync += [index.eq(index + 1),
                         is_last_tag.eq((content == Content.TAGS) & (index == len(COUNTERS) - 2))]
            with m.If(is_last_tag):
                m.d.sync += [index.eq(0), tag.eq(tag + 1)]

        head = Signal(32 + request.number.shape().width)
        head_left = Signal(range(4 + 6 + 1))
        left, last = Signal.like(request.count), Signal()  # and whether it is one
        phase, last_phase = Signal(2), Signal()  # the byte of a word, and whether it is the last

        def next_phase():
            return [phase.eq(phase + 1), last_phase.eq(phase == 2)]

        # A queue before the pins, in a small chip a register; what it takes goes through the CRC, but for SYNC and the
        # CRC itself.
        byte, valid, covered, advance, gone = Signal(8), Signal(), Signal(), Signal(), Signal()
        taken = Signal()
        registers = 0 if compact else 1
        idle = Signal()
        m.d.comb += [taken.eq(advance & valid), *(port.eq(delayed(m, value, registers)) for port, value in (
            (crc.data, byte), (crc.valid, taken & covered), (crc.start, idle)))]
        if compact:
            m.d.comb += [advance.eq((~tx.valid | tx.ready) & crc.ready), gone.eq(advance)]
            with m.If(advance):
                m.d.sync += [tx.valid.eq(valid), tx.payload.eq(byte)]
            with m.Elif(tx.ready):
                m.d.sync += tx.valid.eq(0)
        else:
            m.submodules.queue = queue = StreamQueue(8)
            wiring.connect(m, queue.kept, wiring.flipped(tx))
            m.d.comb += [queue.arriving.payload.eq(byte), queue.arriving.valid.eq(valid),
                         advance.eq(queue.arriving.ready), gone.eq(queue.empty)]

        # Whether a packet begins is known late, and starts much that is far: registers between, but in a small chip.
        begins, stages = Signal(), 0 if compact else 2
        m.d.comb += [port.eq(delayed(m, value, stages)) for port, value in (
            (reader.start, begins), (reader.address, request.address), (reader.count, request.count))]

        sealed = "CRC" if compact else "SEAL"
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [
                    self.packet.ready.eq(1),
                    idle.eq(1),
                    begins.eq(self.packet.valid & (request.content == Content.BUFFER)),
                ]
                length = Signal(16)
                m.d.comb += length.eq(request.number_bytes + request.count)
                m.d.sync += [
                    head.eq(Cat(request.kind, request.sequence, length, request.number)),
                    head_left.eq(4 + request.number_bytes),
                    left.eq(request.count),
                    content.eq(request.content),
                    tag.eq(request.address),
                    index.eq(0), is_last_tag.eq(0), phase.eq(0), last_phase.eq(0),
                ]
                if compact:
                    with m.If(request.content == Content.STATUS):
                        m.d.sync += tag.eq(self._config.tag_depth)
                with m.If(self.packet.valid):
                    m.next = "SYNC"

            with m.State("SYNC"):
                m.d.comb += [byte.eq(SYNC), valid.eq(1)]
                with m.If(advance):
                    m.next = "HEAD"

            with m.State("HEAD"):
                m.d.comb += [byte.eq(head[:8]), valid.eq(1), covered.eq(1)]
                m.d.sync += last.eq(left == 1)
                with m.If(advance):
                    m.d.sync += [head.eq(head[8:]), head_left.eq(head_left - 1)]
                    with m.If(head_left == 1):
                        m.d.sync += word.eq(table)
                        m.d.comb += load.eq(1)
                        with m.If(content == Content.NONE):
                            m.next = sealed
                        with m.Elif(content == Content.BUFFER):
                            m.next = "BUFFER"
                        with m.Else():
                            m.next = "WORDS"

            with m.State("BUFFER"):
                m.d.comb += [byte.eq(reader.bytes.payload), valid.eq(reader.bytes.valid), covered.eq(1),
                             reader.bytes.ready.eq(advance)]
                with m.If(taken):
                    m.d.sync += [left.eq(left - 1), last.eq(left == 2)]
                    with m.If(last):
                        m.next = sealed

            with m.State("WORDS"):
                m.d.comb += [byte.eq(word[:8]), valid.eq(1), covered.eq(1)]
                with m.If(advance):
                    m.d.sync += [*next_phase(), left.eq(left - 1), last.eq(left == 2), word.eq(word[8:])]
                    with m.If(last):
                        m.d.sync += [phase.eq(0), last_phase.eq(0)]
                        m.next = sealed
                    with m.Elif(last_phase):
                        m.next = "NEXT"

            with m.State("NEXT"), m.If(~late):
                m.d.sync += word.eq(table)
                m.d.comb += load.eq(1)
                m.next = "WORDS"

            if not compact:
                # The last byte is on its way into the CRC.
                with m.State("SEAL"):
                    m.next = "CRC"

            with m.State("CRC"):
                m.d.comb += [byte.eq(crc.crc.word_select(phase, 8)), valid.eq(1)]
                with m.If(advance):
                    m.d.sync += next_phase()
                    with m.If(last_phase):
                        m.next = "DRAIN"

            with m.State("DRAIN"), m.If(gone):
                m.d.comb += self.sent.eq(1)
                m.next = "IDLE"
        return m


def _word(m, words, index):
    """The 32-bit word of that index, 2 cycles later: out of each four one, and of those one."""
    fours = [delayed(m, words[i:i + 128].word_select(index[:2], 32), 1) for i in range(0, len(words), 128)]
    return delayed(m, Cat(fours).word_select(delayed(m, index[2:], 1), 32), 1)
