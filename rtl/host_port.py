"""The chip's side of the byte stream to the host: commands, their answers, and what the program sends."""

from amaranth.hdl import Module, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .commands import Commands, StoreLayout
from .config import ADDRESS_BITS
from .dma import Dma
from .interfaces import PC_BITS, IssueLayout, MemoryWrite, StatusLayout, UnitPort
from .packet_receiver import PacketReceiver
from .packet_transmitter import STATUS_BYTES, Content, PacketTransmitter, tag_words
from .packets import Kind, State
from .stream_queue import StreamQueue
from .stream_register import StreamRegister

__all__ = ["HostPort"]


class HostPort(wiring.Component):
    """Speaks `packets` over a byte stream each way, and is the HOST unit.

    Parameters
    ----------
    config : Config

    Members
    -------
    rx : In(stream of bytes)
    tx : Out(stream of bytes)
    unit : Out(UnitPort())
        Read_Host_Memory and Write_Host_Memory.
    host_write : Out(stream of StoreLayout)
        Bytes for the unified buffer. One that was accepted is seen by what is issued 4 cycles later.
    host_read : Out(stream of addresses)
    host_data : In(stream of 8 * cols bits)
        See `ByteReader`. Each request must be answered, `clear` or not.
    weights : Out(MemoryWrite of rows)
    instructions : Out(MemoryWrite of instructions)
    tags, fresh
        See `PacketTransmitter`.
    run, reset : Out(1)
        Pulse in the cycle in which the answer to the command begins.
    run_address : Out(16)
        First instruction; valid with `run`.
    clear : In(1)
        Gives up the transfer in progress; a packet that is being sent is completed.
    status : In(StatusLayout)
        Its state decides what is BUSY. Each 32-bit word is sampled as a whole while it is being sent.
    stopped : In(1)
        Pulse: send STOPPED with the status.
    interrupt : In(stream of 16 bits)
        Accepted when its INTERRUPT packet begins.

    Latency
    -------
    A byte a cycle each way; see the components.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "rx": In(stream.Signature(unsigned(8))), "tx": Out(stream.Signature(unsigned(8))),
            "unit": Out(UnitPort()),
            "host_write": Out(stream.Signature(StoreLayout())),
            "host_read": Out(stream.Signature(unsigned(ADDRESS_BITS))),
            "host_data": In(stream.Signature(unsigned(8 * config.cols))),
            "weights": Out(MemoryWrite(28, 8 * config.cols)), "instructions": Out(MemoryWrite(16, 128)),
            "tags": Out(tag_words(self._config)), "fresh": In(1),
            "run": Out(1), "run_address": Out(PC_BITS), "reset": Out(1), "clear": In(1),
            "status": In(StatusLayout()), "stopped": In(1), "interrupt": In(stream.Signature(unsigned(16)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = PacketReceiver(self._config)
        m.submodules.commands = commands = Commands(self._config)
        m.submodules.transmitter = transmitter = PacketTransmitter(self._config)

        outer = wiring.flipped
        wiring.connect(m, outer(self.rx), receiver.rx)
        wiring.connect(m, outer(self.tx), transmitter.tx)
        wiring.connect(m, receiver.packet, commands.packet)
        # Whether commands take a byte depends on the store, which is far: a queue between, but in a small chip. It
        # drops what the receiver drops.
        payload = receiver.payload
        if not self._config.compact:
            queue = StreamQueue(8)
            m.submodules.payload_queue = ResetInserter(receiver.packet.ready)(queue)
            wiring.connect(m, payload, queue.arriving)
            payload = queue.kept
        wiring.connect(m, payload, commands.payload)
        wiring.connect(m, outer(self.host_write), commands.host_write)
        wiring.connect(m, outer(self.weights), commands.weights)
        wiring.connect(m, outer(self.instructions), commands.instructions)
        wiring.connect(m, outer(self.host_read), transmitter.host_read)
        wiring.connect(m, outer(self.host_data), transmitter.host_data)
        wiring.connect(m, outer(self.tags), transmitter.tags)
        running = Signal()  # a register, for the state comes from afar
        m.d.sync += running.eq(self.status.state == State.RUNNING)
        m.d.comb += [
            commands.running.eq(running),
            self.run.eq(commands.run), self.run_address.eq(commands.run_address), self.reset.eq(commands.reset),
            transmitter.status.eq(self.status), transmitter.fresh.eq(self.fresh),
        ]

        # Without it nothing is expected of the host, and nobody issues instructions to this unit.
        if self._config.has_dma:
            dma = Dma(self._config)
            m.submodules.dma = ResetInserter(self.clear)(dma)
            m.submodules.issue = issue = ResetInserter(self.clear)(StreamRegister(IssueLayout()))
            wiring.connect(m, outer(self.unit.issue), issue.arriving)
            wiring.connect(m, issue.kept, dma.unit.issue)
            m.d.comb += [
                self.unit.retire.eq(dma.unit.retire), self.unit.active.eq(dma.unit.active),
                self.unit.fault.eq(dma.unit.fault), self.unit.fault_pc.eq(dma.unit.fault_pc),
                commands.expected.eq(dma.expected), commands.expected_address.eq(dma.address),
                dma.stored.eq(commands.stored), dma.sent.eq(transmitter.sent),
            ]

        # One packet at a time. STOPPED is first, so that a RUN is never answered before the end of the run before it;
        # an answer comes before the program's packets, of which there may be many.
        packet = transmitter.packet
        if not self._config.compact:
            # A register for what is chosen here, as much of it is far; not before the last packet has left, and a cycle
            # after that is known.
            m.submodules.chosen = chosen = StreamRegister(packet.payload.shape())
            packet = packet.signature.create(path=("packet",))
            wiring.connect(m, chosen.kept, transmitter.packet)
            m.d.comb += [
                chosen.arriving.payload.eq(packet.payload),
                chosen.arriving.valid.eq(packet.valid & packet.ready),
            ]
            m.d.sync += packet.ready.eq(chosen.arriving.ready & transmitter.packet.ready & ~chosen.arriving.valid)
        stopped = Signal()
        with m.If(self.stopped):
            m.d.sync += stopped.eq(1)
        with m.Elif(packet.ready):
            m.d.sync += stopped.eq(0)
        request = packet.payload
        with m.If(stopped):
            m.d.comb += [packet.valid.eq(1), request.kind.eq(Kind.STOPPED), request.content.eq(Content.STATUS),
                         request.count.eq(STATUS_BYTES)]
        with m.Elif(commands.answer.valid):
            wiring.connect(m, commands.answer, packet)
        with m.Elif(self.interrupt.valid):
            m.d.comb += [packet.valid.eq(1), request.kind.eq(Kind.INTERRUPT), request.number.eq(self.interrupt.payload),
                         request.number_bytes.eq(2), self.interrupt.ready.eq(packet.ready)]
        if self._config.has_dma:
            with m.Else():
                wiring.connect(m, dma.packet, packet)
        # A cycle late, for it is known late; the next packet is later than that.
        number, counts, restarts = Signal(8), Signal(), Signal()
        with m.If(stopped | ~commands.answer.valid):
            m.d.comb += request.sequence.eq(number)
        m.d.sync += [counts.eq(packet.valid & packet.ready & (stopped | ~commands.answer.valid)),
                     restarts.eq(self.run)]
        with m.If(restarts):
            m.d.sync += number.eq(0)
        with m.Elif(counts):
            m.d.sync += number.eq(number + 1)
        return m
