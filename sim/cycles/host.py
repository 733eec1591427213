"""The host unit and the packets that a program sends."""

from systolith.rtl.isa import Opcode
from systolith.rtl.packets import OVERHEAD

__all__ = ["Transmitter", "host_unit"]

#: Cycles of the host unit: from taking an instruction to its first look at what is left; from the end of a packet to
#: the next look.
_START, _ADVANCE = 3, 2
#: Cycles of a packet besides its bytes: from the request to the first byte, and the last one's way out.
_TRANSMITTER = 2
#: Bytes of the header that the CRC covers.
_HEADER = 4
#: Cycles of a DATA packet besides its bytes on the way and into the buffer: receiver, command, end.
_RECEIVER = 9


class Transmitter:
    """Sends packets one after the other.

    Parameters
    ----------
    begin : int
        Cycle in which the first is accepted, the answer to RUN.
    pace : int
        Cycles of a byte, of those that the CRC is made of.
    """

    def __init__(self, begin=-1, pace=1):
        self._free, self._pace = begin, pace
        self.send(begin, 0)

    def send(self, cycle, payload):
        """Asks for a packet of so many bytes in `cycle`; returns the cycle in which it is accepted."""
        accepted = max(cycle, self._free)
        covered = _HEADER + payload
        self._free = accepted + OVERHEAD - _HEADER + covered * self._pace + _TRANSMITTER
        return accepted

    @property
    def sent(self):
        """Cycle in which the last packet has left."""
        return self._free - 1


def host_unit(config, queue, transmitter, latency):
    """Process of the host unit, as `rtl.dma`.

    The model's host takes and sends a byte a cycle and answers after `latency` cycles. Where packets of several kinds,
    or the host's reads and those of the vector unit, meet in one cycle, the chip may take them in another order.
    """
    longest = config.packet_bytes - 4
    cycle = -1  # end of the instruction before
    while True:
        while (offer := queue.next()) is None:
            yield
        instruction, offered = offer
        start = max(offered, cycle + 1)
        queue.accept(start)
        cycle = start + _START
        for left in range(instruction.operands[0], 0, -longest):
            count = min(left, longest)
            if instruction.opcode is Opcode.READ_HOST_MEMORY:
                transmitter.send(cycle + 1, 6)
                stored = transmitter.sent + latency + OVERHEAD + 2 * count + _RECEIVER
                transmitter.send(stored + 1, 0)
                cycle = stored + _ADVANCE
            else:
                transmitter.send(cycle + 1, 4 + count)
                cycle = transmitter.sent + _ADVANCE
        queue.retire(instruction, start, cycle)
