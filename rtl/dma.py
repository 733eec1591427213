"""The host unit: moves bytes between the host's memory and the unified buffer, in packets."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ADDRESS_BITS
from .interfaces import PC_BITS, UnitPort, field
from .isa import Fault, Opcode
from .packet_transmitter import Content, PacketRequest
from .packets import Kind

__all__ = ["Dma"]


class Dma(wiring.Component):
    """Executes Read_Host_Memory and Write_Host_Memory one packet after the other.

    After a fault it takes nothing more until it is reset.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit : Out(UnitPort())
        `active` stays high while the host is awaited: to answer is its duty.
    packet : Out(stream of PacketRequest)
        HOST_READ and HOST_WRITE.
    sent : In(1)
        Pulse: the packet that was accepted last has left.
    expected : Out(range(packet_bytes + 1)), bytes
        Length of the DATA packet that may come now; 0 for none.
    address : Out(26), bytes
        Where its bytes belong in the unified buffer.
    stored : In(1)
        Pulse: they have been stored.

    Latency
    -------
    An instruction costs 4 cycles and each packet 3, besides the time of the packets; of length 0 it costs 4.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "unit": Out(UnitPort()),
            "packet": Out(stream.Signature(PacketRequest(config))), "sent": In(1),
            "expected": Out(range(config.packet_bytes + 1)), "address": Out(ADDRESS_BITS), "stored": In(1)})

    def elaborate(self, platform):
        m = Module()
        # The host address of HOST_WRITE takes 4 bytes of a payload.
        longest = self._config.packet_bytes - 4

        issue = self.unit.issue
        reads = Signal()
        pc = Signal(PC_BITS)
        host_address, remaining = Signal(32), Signal(24)
        end = Signal(ADDRESS_BITS + 1)
        chunk = Signal(range(longest + 1))

        request = self.packet.payload
        m.d.comb += [
            request.number[:32].eq(host_address),
            request.address.eq(self.address),
        ]
        with m.If(reads):
            m.d.comb += [request.kind.eq(Kind.HOST_READ), request.number[32:].eq(chunk), request.number_bytes.eq(6)]
        with m.Else():
            m.d.comb += [request.kind.eq(Kind.HOST_WRITE), request.number_bytes.eq(4),
                         request.content.eq(Content.BUFFER), request.count.eq(chunk)]

        m.d.comb += [self.unit.active.eq(1), self.unit.fault_pc.eq(pc)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [issue.ready.eq(1), self.unit.active.eq(0)]
                word = issue.payload.word
                # Both instructions have the same fields.
                host_field, ub_field, length_field = (
                    field(word, Opcode.READ_HOST_MEMORY, name) for name in ("host_address", "ub_address", "length"))
                m.d.sync += [
                    reads.eq(field(word, Opcode.READ_HOST_MEMORY, "opcode") == Opcode.READ_HOST_MEMORY),
                    pc.eq(issue.payload.pc),
                    host_address.eq(host_field), self.address.eq(ub_field), remaining.eq(length_field),
                ]
                with m.If(issue.valid):
                    m.next = "END"

            with m.State("END"):
                m.d.sync += end.eq(self.address + remaining)
                m.next = "RANGE"

            with m.State("RANGE"):
                with m.If((remaining != 0) & (end > self._config.unified_buffer_bytes)):
                    m.d.comb += self.unit.fault.eq(Fault.UNIFIED_BUFFER_RANGE)
                    m.next = "FAULTED"
                with m.Else():
                    m.next = "NEXT"

            with m.State("NEXT"):
                m.d.sync += chunk.eq(Mux(remaining > longest, longest, remaining))
                with m.If(remaining == 0):
                    m.d.comb += self.unit.retire.eq(1)
                    m.next = "IDLE"
                with m.Else():
                    m.next = "SEND"

            with m.State("SEND"):
                m.d.comb += self.packet.valid.eq(1)
                with m.If(self.packet.ready):
                    m.next = "WAIT"

            with m.State("WAIT"):
                m.d.comb += self.expected.eq(Mux(reads, chunk, 0))
                with m.If(Mux(reads, self.stored, self.sent)):
                    m.next = "ADVANCE"

            with m.State("ADVANCE"):
                m.d.sync += [host_address.eq(host_address + chunk), self.address.eq(self.address + chunk),
                             remaining.eq(remaining - chunk)]
                m.next = "NEXT"

            with m.State("FAULTED"):
                m.d.comb += self.unit.active.eq(0)
        return m
