"""The commands of the host: checks them, carries them out and asks for their answers to be sent."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
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
    From the offer of a packet to its answer 3 cycles, with arguments at most 17; the packet is taken a cycle after its
    answer. Data is stored a byte a cycle, through a queue but in a compact chip; before that, its words are counted,
    one a cycle, where a word is more than a byte.
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
        size = Signal(range(max(word_bytes(config, s) for s in Space) + 1))
        limit = Signal(range(max(space_words(config, s) for s in Space) + 1))
        left = Signal(range(config.packet_bytes + 1))
        end = Signal(33)

        answer = self.answer.payload
        refused = Signal()
        content, count = Signal.like(answer.content), Signal.like(answer.count)
        m.d.comb += answer.sequence.eq(header.sequence)
        with m.If(refused):
            m.d.comb += [answer.kind.eq(Kind.NAK), answer.number_bytes.eq(1), answer.content.eq(Content.NONE)]
        with m.Else():
            m.d.comb += [answer.kind.eq(Kind.ACK), answer.content.eq(content), answer.count.eq(count)]
        m.d.comb += answer.address.eq(address[:ADDRESS_BITS])

        def refuse(reason):
            m.d.sync += [refused.eq(1), answer.number.eq(reason)]
            m.next = "ANSWER"

        def get_arguments(first, last):
            m.d.sync += [argument.eq(first), last_argument.eq(last)]
            m.next = "ARGUMENTS"

        def accept(what, length):
            m.d.sync += [content.eq(what), count.eq(length)]
            m.next = "ANSWER"

        def select(which):
            m.d.sync += [size.eq(word_bytes(config, which)), limit.eq(space_words(config, which))]

        # Comparisons of many bits have a cycle of their own.
        length_is = {n: Signal(name=f"length_is_{n}") for n in (0, 4, 7)}
        too_short, is_expected, as_expected, too_many, beyond = (
            Signal(name=name) for name in ("too_short", "is_expected", "as_expected", "too_many", "beyond"))
        # What the host sends has kinds 1 to 7; 0 stands for all others, as 7 does for unknown spaces.
        kind = delayed(m, Mux(header.kind < 8, header.kind, 0)[:3], 0 if config.compact else 1)

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
        filled = Signal.like(size)
        if not config.compact:
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
            m.d.sync += [byte.eq(self.payload.payload), byte_taken.eq(0), row_complete.eq(byte_taken & byte_is_last)]
            with m.If(byte_taken):
                m.d.sync += row.eq(Cat(row[8:], byte))
            with m.If(row_complete):
                m.d.sync += address.eq(address + 1)

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [refused.eq(0), filled.eq(0)]
                with m.If(self.packet.valid):
                    m.next = "HEADER"

            with m.State("HEADER"):
                m.d.sync += [length_is[n].eq(header.length == n) for n in length_is]
                m.d.sync += [too_short.eq(header.length < 5), is_expected.eq(self.expected != 0),
                             as_expected.eq(header.length == self.expected),
                             address.eq(self.expected_address)]  # as it is while bytes are expected
                with m.If(~header.good):
                    refuse(Reason.CRC)
                with m.Else():
                    m.next = "KIND"

            with m.State("KIND"), m.Switch(kind):
                for asks, what, length in ((Kind.HELLO, Content.INFO, INFO_BYTES),
                                           (Kind.STATUS, Content.STATUS, STATUS_BYTES),
                                           (Kind.RESET, Content.NONE, 0)):
                    with m.Case(asks):
                        with m.If(~length_is[0]):
                            refuse(Reason.LENGTH)
                        with m.Else():
                            accept(what, length)
                with m.Case(Kind.WRITE):
                    m.d.sync += left.eq(header.length - 5)
                    with m.If(too_short):
                        refuse(Reason.LENGTH)
                    with m.Else():
                        get_arguments(first=0, last=4)
                with m.Case(Kind.READ):
                    with m.If(~length_is[7]):
                        refuse(Reason.LENGTH)
                    with m.Else():
                        get_arguments(first=0, last=6)
                with m.Case(Kind.RUN):
                    with m.If(~length_is[4]):
                        refuse(Reason.LENGTH)
                    with m.Else():
                        get_arguments(first=1, last=4)
                with m.Case(Kind.DATA):
                    m.d.sync += [space.eq(Space.UNIFIED_BUFFER), left.eq(header.length)]
                    with m.If(~is_expected):
                        refuse(Reason.UNEXPECTED)
                    with m.Elif(~as_expected):
                        refuse(Reason.LENGTH)
                    with m.Else():
                        m.next = "STORE"
                with m.Default():
                    refuse(Reason.KIND)

            with m.State("ARGUMENTS"):
                m.d.comb += self.payload.ready.eq(1)
                with m.If(self.payload.valid):
                    m.d.sync += argument.eq(argument + 1)
                    with m.Switch(argument):
                        with m.Case(0):
                            m.d.sync += space.eq(Mux(self.payload.payload < 7, self.payload.payload, 7))
                        with m.Case(1, 2, 3, 4):
                            m.d.sync += address.eq(Cat(address[8:], self.payload.payload))
                        with m.Default():
                            m.d.sync += words.eq(Cat(words[8:], self.payload.payload))
                    with m.If(argument == last_argument):
                        m.next = "SPACE"

            with m.State("SPACE"), m.Switch(kind):
                with m.Case(Kind.WRITE), m.Switch(space):
                    with m.Case(Space.UNIFIED_BUFFER):
                        select(Space.UNIFIED_BUFFER)
                        m.d.sync += words.eq(left)
                        m.next = "END"
                    for which in (Space.WEIGHTS, Space.INSTRUCTIONS):
                        with m.Case(which):
                            select(which)
                            m.d.sync += [words.eq(0), count.eq(left)]
                            m.next = "COUNT"
                    with m.Default():
                        refuse(Reason.SPACE)
                with m.Case(Kind.READ), m.Switch(space):
                    for which in (Space.UNIFIED_BUFFER, Space.TAGS):
                        with m.Case(which):
                            select(which)
                            m.next = "END"
                    with m.Default():
                        refuse(Reason.SPACE)
                with m.Default():
                    select(Space.INSTRUCTIONS)
                    m.d.sync += words.eq(1)
                    m.next = "END"

            # Not a divider: the words of a packet take longer to come than to be counted.
            with m.State("COUNT"):
                with m.If(count >= size):
                    m.d.sync += [count.eq(count - size), words.eq(words + 1)]
                with m.Elif(count != 0):
                    refuse(Reason.LENGTH)
                with m.Else():
                    m.next = "END"

            with m.State("END"):
                m.d.sync += [end.eq(address + words), too_many.eq((words == 0) | (words > Mux(
                    space == Space.TAGS, *(config.packet_bytes // word_bytes(config, which)
                                           for which in (Space.TAGS, Space.UNIFIED_BUFFER)))))]
                m.next = "LIMIT"

            with m.State("LIMIT"):
                m.d.sync += beyond.eq(end > limit)
                m.next = "RANGE"

            with m.State("RANGE"):
                with m.If((kind == Kind.READ) & too_many):
                    refuse(Reason.LENGTH)
                with m.Elif(beyond):
                    refuse(Reason.ADDRESS)
                with m.Elif(self.running):
                    refuse(Reason.BUSY)
                with m.Elif(kind == Kind.READ):
                    with m.If(space == Space.TAGS):
                        accept(Content.TAGS, words * word_bytes(config, Space.TAGS))
                    with m.Else():
                        accept(Content.BUFFER, words)
                with m.Elif((kind == Kind.RUN) | (left == 0)):
                    accept(Content.NONE, 0)
                with m.Else():
                    m.next = "PLACE" if config.compact else "STORE"

            if config.compact:
                # All spaces are in one memory of bytes.
                with m.State("PLACE"):
                    with m.Switch(space):
                        for which, base in ((Space.WEIGHTS, config.weight_base),
                                            (Space.INSTRUCTIONS, config.instruction_base)):
                            with m.Case(which):
                                m.d.sync += address.eq(base + address * word_bytes(config, which))
                    m.next = "STORE"

            with m.State("STORE"):
                moved = Signal()
                m.d.comb += moved.eq(self.payload.valid & self.payload.ready)
                with m.If(config.compact | (space == Space.UNIFIED_BUFFER)):
                    m.d.comb += [store.valid.eq(self.payload.valid), self.payload.ready.eq(store.ready)]
                    with m.If(moved):
                        m.d.sync += address.eq(address + 1)
                if not config.compact:
                    with m.Else():
                        m.d.comb += self.payload.ready.eq(1)
                        with m.If(moved):
                            m.d.sync += [byte_taken.eq(1), byte_is_last.eq(0), filled.eq(filled + 1)]
                            with m.If(filled == size - 1):
                                m.d.sync += [filled.eq(0), byte_is_last.eq(1)]
                with m.If(moved):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "STORED"

            with m.State("STORED"), m.If(stored):
                m.d.comb += self.stored.eq(kind == Kind.DATA)
                accept(Content.NONE, 0)

            with m.State("ANSWER"):
                m.d.comb += self.answer.valid.eq(1)
                with m.If(self.answer.ready):
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
