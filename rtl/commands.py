"""The commands of the host: checks them, carries them out and asks for their answers to be sent."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .config import ADDRESS_BITS
from .delay import delayed
from .interfaces import PC_BITS, MemoryWrite
from .packet_receiver import PacketHeader
from .packet_transmitter import INFO_BYTES, STATUS_BYTES, Content, PacketRequest
from .packets import Kind, Reason, Space, space_words, word_bytes

__all__ = ["Commands", "StoreLayout"]


class StoreLayout(data.StructLayout):
    """One byte on its way into the unified buffer."""
    def __init__(self):
        super().__init__({"address": ADDRESS_BITS, "data": 8})


class Commands(wiring.Component):
    """Carries out one packet of the host after the other; each gets one answer.

    A packet that breaks several rules is refused for the first of: CRC, kind, UNEXPECTED, length of the payload, space,
    length of the data, address, BUSY.

    Parameters
    ----------
    config : Config

    Members
    -------
    packet, payload
        From `PacketReceiver`.
    answer : Out(stream of PacketRequest)
    host_write : Out(stream of StoreLayout)
    weights : Out(MemoryWrite of rows)
    instructions : Out(MemoryWrite of instructions)
    running : In(1)
        A program runs.
    run, reset : Out(1)
        Pulse as the answer begins, so that the answer precedes whatever the program sends.
    run_address : Out(16)
    expected, expected_address, stored
        See `Dma`.

    Latency
    -------
    From the offer of a packet to its answer 4 cycles, with arguments at most 17; the packet is taken a cycle after its
    answer. Data is stored a byte a cycle, through a queue but in a compact chip; before that, its words are counted,
    one a cycle, where a word is more than a byte and the chip not compact.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "packet": In(stream.Signature(PacketHeader())), "payload": In(stream.Signature(unsigned(8))),
            "answer": Out(stream.Signature(PacketRequest(config))),
            "host_write": Out(stream.Signature(StoreLayout())),
            "weights": Out(MemoryWrite(28, 8 * config.cols)), "instructions": Out(MemoryWrite(16, 128)),
            "running": In(1), "run": Out(1), "run_address": Out(PC_BITS), "reset": Out(1),
            "expected": In(range(config.packet_bytes + 1)), "expected_address": In(ADDRESS_BITS), "stored": Out(1)})

    def elaborate(self, platform):
        m = Module()
        config = self._config
        header = self.packet.payload

        space, address, words = Signal(3), Signal(32), Signal(16)
        argument, last_argument = Signal(3), Signal(3)
        # Of the space: bytes of a word, and its words.
        size = Signal(range(max(word_bytes(config, s) for s in Space) + 1))
        limit = Signal(range(max(space_words(config, s) for s in Space) + 1))
        with m.Switch(space):
            for which in Space:
                with m.Case(which):
                    m.d.sync += [size.eq(word_bytes(config, which)), limit.eq(space_words(config, which))]
        left, last = Signal(range(config.packet_bytes + 1)), Signal()
        end = Signal(33)
        # Bytes whose words have not been counted, less one.
        uncounted = Signal(signed(len(left) + 1))

        answer = self.answer.payload
        refused = Signal()
        m.d.comb += answer.sequence.eq(header.sequence)
        m.d.comb += answer.address.eq(address[:ADDRESS_BITS])

        def get_arguments(first, last):
            m.d.sync += [argument.eq(first), last_argument.eq(last)]
            if config.compact:
                m.d.sync += asks.eq(1)
            m.next = "ARGUMENTS" if config.compact else "ASK"

        # Comparisons of many bits have a cycle of their own.
        length_is = {n: Signal(name=f"length_is_{n}") for n in (0, 4, 7)}
        too_short, is_expected, as_expected, too_many, beyond, empty = (
            Signal(name=name) for name in ("too_short", "is_expected", "as_expected", "too_many", "beyond", "empty"))
        # What the host sends has kinds 1 to 7; 0 stands for all others, as 7 does for unknown spaces.
        kind = delayed(m, Mux(header.kind < 8, header.kind, 0)[:3], 0 if config.compact else 1)

        # What follows a good answer: these follow kind, space and words by up to three cycles, and ANSWER comes later.
        content, count = Signal.like(answer.content), Signal.like(answer.count)
        with m.If(refused):
            m.d.comb += [answer.kind.eq(Kind.NAK), answer.number_bytes.eq(1), answer.content.eq(Content.NONE)]
        with m.Else():
            m.d.comb += [answer.kind.eq(Kind.ACK), answer.content.eq(content), answer.count.eq(count)]
        with m.Switch(kind):
            with m.Case(Kind.HELLO):
                m.d.sync += content.eq(Content.INFO)
            with m.Case(Kind.STATUS):
                m.d.sync += content.eq(Content.STATUS)
            with m.Case(Kind.READ):
                m.d.sync += content.eq(Mux(space == Space.TAGS, Content.TAGS, Content.BUFFER))
            with m.Default():
                m.d.sync += content.eq(Content.NONE)
        tag_bytes = delayed(m, words * word_bytes(config, Space.TAGS), 1)
        with m.Switch(content):
            for what, length in ((Content.INFO, INFO_BYTES), (Content.STATUS, STATUS_BYTES), (Content.BUFFER, words),
                                 (Content.TAGS, tag_bytes)):
                with m.Case(what):
                    m.d.sync += count.eq(length)
            with m.Default():
                m.d.sync += count.eq(0)

        # Bytes of the payload are taken in two states, which a bit each tells, as it goes far: arguments, and data.
        asks, stores = Signal(), Signal()
        to_buffer = Const(1, 1) if config.compact else Signal()
        m.d.comb += self.run_address.eq(address)
        # The buffer is far, and known late to be free: a queue between, but in a small chip.
        if config.compact:
            store, stored = self.host_write, Const(1, 1)
        else:
            m.submodules.store = queue = SyncFIFOBuffered(width=StoreLayout().size, depth=4)
            store = stream.Signature(StoreLayout()).create(path=("store",))
            stored = queue.level == 0
            m.d.comb += [
                queue.w_data.eq(store.payload), queue.w_en.eq(store.valid), store.ready.eq(queue.w_rdy),
                self.host_write.payload.eq(queue.r_data), self.host_write.valid.eq(queue.r_rdy),
                queue.r_en.eq(self.host_write.ready),
            ]
        m.d.comb += [store.payload.address.eq(address), store.payload.data.eq(self.payload.payload)]
        following, moved = Signal.like(address), Signal()
        takes = stores & (store.ready | ~to_buffer)
        m.d.comb += [following.eq(address + 1), store.valid.eq(self.payload.valid & stores & to_buffer),
                     moved.eq(self.payload.valid & takes), self.payload.ready.eq(asks | takes)]
        with m.If(moved):
            m.d.sync += [left.eq(left - 1), last.eq(left == 2)]
        if config.compact:
            with m.If(moved):
                m.d.sync += address.eq(following)
        else:
            # Bytes of a row after the next one, less one: negative tells that the next one is the last.
            unfilled = Signal(signed(len(size) + 1))
            # Rows are assembled from the top down, so that whatever their length they end at the register's top. Many
            # bits move for a byte: it waits in a register first.
            row = Signal(8 * max(config.cols, 16))
            byte, byte_taken, byte_is_last, row_complete = Signal(8), Signal(), Signal(), Signal()
            m.d.comb += [
                self.weights.address.eq(address), self.weights.data.eq(row[-8 * config.cols:]),
                self.weights.en.eq(row_complete & (space == Space.WEIGHTS)),
                self.instructions.address.eq(address), self.instructions.data.eq(row[-128:]),
                self.instructions.en.eq(row_complete & (space == Space.INSTRUCTIONS)),
            ]
            m.d.sync += [byte.eq(self.payload.payload), byte_taken.eq(moved & ~to_buffer),
                         byte_is_last.eq(unfilled[-1]), row_complete.eq(byte_taken & byte_is_last)]
            with m.If(moved):
                m.d.sync += unfilled.eq(Mux(unfilled[-1], size - 2, unfilled - 1))
            with m.If(byte_taken):
                m.d.sync += row.eq(Cat(row[8:], byte))
            with m.If(row_complete | (moved & to_buffer)):
                m.d.sync += address.eq(following)

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += refused.eq(0)
                with m.If(self.packet.valid):
                    m.next = "HEADER"

            with m.State("HEADER"):
                m.d.sync += [length_is[n].eq(header.length == n) for n in length_is]
                m.d.sync += [too_short.eq(header.length < 5), is_expected.eq(self.expected != 0),
                             as_expected.eq(header.length == self.expected),
                             address.eq(self.expected_address),  # as it is while bytes are expected
                             answer.number.eq(Reason.CRC)]
                with m.If(~header.good):
                    m.next = "REFUSE"
                with m.Else():
                    m.next = "KIND"

            with m.State("KIND"):
                m.d.sync += answer.number.eq(Reason.LENGTH)
                m.next = "REFUSE"
                with m.Switch(kind):
                    with m.Case(Kind.HELLO, Kind.STATUS, Kind.RESET), m.If(length_is[0]):
                        m.next = "ACCEPT"
                    with m.Case(Kind.WRITE):
                        m.d.sync += left.eq(header.length - 5)
                        with m.If(~too_short):
                            get_arguments(first=0, last=4)
                    with m.Case(Kind.READ), m.If(length_is[7]):
                        get_arguments(first=0, last=6)
                    with m.Case(Kind.RUN):
                        m.d.sync += space.eq(Space.INSTRUCTIONS)
                        with m.If(length_is[4]):
                            get_arguments(first=1, last=4)
                    with m.Case(Kind.DATA):
                        m.d.sync += [space.eq(Space.UNIFIED_BUFFER), left.eq(header.length)]
                        with m.If(~is_expected):
                            m.d.sync += answer.number.eq(Reason.UNEXPECTED)
                        with m.Elif(as_expected):
                            m.next = "BEGIN"
                    with m.Case(0):
                        m.d.sync += answer.number.eq(Reason.KIND)

            if not config.compact:
                with m.State("ASK"):
                    m.d.sync += asks.eq(1)
                    m.next = "ARGUMENTS"

            with m.State("ARGUMENTS"), m.If(self.payload.valid):
                m.d.sync += argument.eq(argument + 1)
                with m.Switch(argument):
                    with m.Case(0):
                        m.d.sync += space.eq(Mux(self.payload.payload < 7, self.payload.payload, 7))
                    with m.Case(1, 2, 3, 4):
                        m.d.sync += address.eq(Cat(address[8:], self.payload.payload))
                    with m.Default():
                        m.d.sync += words.eq(Cat(words[8:], self.payload.payload))
                with m.If(argument == last_argument):
                    m.d.sync += asks.eq(0)
                    m.next = "SPACE"

            with m.State("SPACE"):
                m.d.sync += [answer.number.eq(Reason.SPACE), uncounted.eq(left - 1)]
                m.next = "REFUSE"
                with m.Switch(kind):
                    with m.Case(Kind.WRITE):
                        m.d.sync += words.eq(Mux(space == Space.UNIFIED_BUFFER, left, 0))
                        with m.Switch(space):
                            with m.Case(Space.UNIFIED_BUFFER):
                                m.next = "END"
                            if not config.compact:
                                with m.Case(Space.WEIGHTS, Space.INSTRUCTIONS):
                                    m.next = "COUNT"
                            # Words of a compact chip are powers of two.
                            for which in (Space.WEIGHTS, Space.INSTRUCTIONS) if config.compact else ():
                                bits = word_bytes(config, which).bit_length() - 1
                                with m.Case(which):
                                    m.d.sync += words.eq(left >> bits)
                                    with m.If(left[:bits] == 0):
                                        m.next = "END"
                                    with m.Else():
                                        m.d.sync += answer.number.eq(Reason.LENGTH)
                    with m.Case(Kind.READ), m.Switch(space), m.Case(Space.UNIFIED_BUFFER, Space.TAGS):
                        m.next = "END"
                    with m.Default():
                        m.d.sync += words.eq(1)
                        m.next = "END"

            # Not a divider: the words of a packet take longer to come than to be counted.
            if not config.compact:
                with m.State("COUNT"):
                    m.d.sync += answer.number.eq(Reason.LENGTH)
                    with m.If(~uncounted[-1]):
                        m.d.sync += [uncounted.eq(uncounted - size), words.eq(words + 1)]
                    with m.Elif(uncounted == -1):
                        m.next = "END"
                    with m.Else():
                        m.next = "REFUSE"

            with m.State("END"):
                m.d.sync += [end.eq(address + words), too_many.eq((words == 0) | (words > Mux(
                    space == Space.TAGS, *(config.packet_bytes // word_bytes(config, which)
                                           for which in (Space.TAGS, Space.UNIFIED_BUFFER)))))]
                m.next = "LIMIT"

            with m.State("LIMIT"):
                m.d.sync += [beyond.eq(end > limit), empty.eq(left == 0)]
                m.next = "RANGE"

            with m.State("RANGE"):
                m.next = "REFUSE"
                with m.If((kind == Kind.READ) & too_many):
                    m.d.sync += answer.number.eq(Reason.LENGTH)
                with m.Elif(beyond):
                    m.d.sync += answer.number.eq(Reason.ADDRESS)
                with m.Elif(self.running):
                    m.d.sync += answer.number.eq(Reason.BUSY)
                with m.Elif((kind != Kind.WRITE) | empty):
                    m.next = "ACCEPT"
                with m.Else():
                    m.next = "BEGIN"

            with m.State("BEGIN"):
                m.d.sync += [stores.eq(1), last.eq(left == 1)]
                if config.compact:
                    # All spaces are in one memory of bytes.
                    with m.Switch(space):
                        for which, base in ((Space.WEIGHTS, config.weight_base),
                                            (Space.INSTRUCTIONS, config.instruction_base)):
                            with m.Case(which):
                                m.d.sync += address.eq(base + address * word_bytes(config, which))
                else:
                    m.d.sync += [to_buffer.eq(space == Space.UNIFIED_BUFFER), unfilled.eq(size - 2)]
                m.next = "STORE"

            with m.State("STORE"), m.If(moved & last):
                m.d.sync += stores.eq(0)
                m.next = "STORED"

            with m.State("STORED"), m.If(stored):
                m.d.comb += self.stored.eq(kind == Kind.DATA)
                m.next = "ACCEPT"

            with m.State("REFUSE"):
                m.d.sync += [refused.eq(1), self.answer.valid.eq(1)]
                m.next = "ANSWER"

            with m.State("ACCEPT"):
                m.d.sync += self.answer.valid.eq(1)
                m.next = "ANSWER"

            with m.State("ANSWER"), m.If(self.answer.ready):
                m.d.sync += self.answer.valid.eq(0)
                m.d.comb += [
                    self.run.eq(~refused & (kind == Kind.RUN)),
                    self.reset.eq(~refused & (kind == Kind.RESET)),
                ]
                m.next = "ANSWERED"

            # Not in the cycle before: who takes the answer and who gives the packet are far from each other.
            with m.State("ANSWERED"):
                m.d.comb += self.packet.ready.eq(1)
                m.next = "IDLE"
        return m
