"""The host unit and the packets that a program sends."""

from math import ceil

from systolith.rtl.interfaces import BUFFER_READ_LATENCY
from systolith.rtl.isa import Opcode
from systolith.rtl.packets import OVERHEAD

__all__ = ["PacketPort", "Transmitter", "WidePort", "host_unit"]

#: Cycles of the host unit: from taking an instruction to its first look at what is left; from the end of a packet to
#: the next look.
_START, _ADVANCE = 3, 2
#: Cycles that a packet with bytes of the unified buffer waits for the first of them.
_FETCH = BUFFER_READ_LATENCY
#: Cycles from the request of a row for such a packet to that of the next, at least.
_ROW = BUFFER_READ_LATENCY + 2
#: Bytes of the header that the CRC covers.
_HEADER = 4
#: Cycles of a DATA packet besides its bytes on the way and into the buffer: receiver, command, end.
_RECEIVER = 13


class Transmitter:
    """Sends packets one after the other.

    Parameters
    ----------
    begin : int
        Cycle of the program in which the first is accepted, the answer to RUN: it starts the sequencer, five cycles
        before the program's first.
    pace : int
        Cycles of a byte, of those that the CRC is made of.
    latency : int
        Cycles of a packet besides its bytes: from the request to the first, and the last one's way out.
    """

    def __init__(self, begin=-5, pace=1, latency=8):
        self._free, self._pace, self._latency = begin, pace, latency
        self.send(begin, 0)

    def send(self, cycle, payload, wait=0):
        """Asks for a packet of so many bytes, which come `wait` cycles late, in `cycle`; returns the cycle in which it
        is accepted.
        """
        accepted = max(cycle, self._free)
        covered = _HEADER + payload
        self._free = accepted + OVERHEAD - _HEADER + covered * self._pace + self._latency + wait
        return accepted

    @property
    def sent(self):
        """Cycle in which the last packet has left."""
        return self._free - 2


class PacketPort:
    """The chip's own port, as `rtl.dma`: a packet after the other, a byte a cycle.

    Where packets of several kinds, or the host's reads and those of the vector unit, meet in one cycle, the chip may
    take them in another order.

    Parameters
    ----------
    config : Config
    transmitter : Transmitter
    latency : int
        Cycles until the host answers.
    """

    def __init__(self, config, transmitter, latency):
        self._longest, self._cols = config.packet_bytes - 4, config.cols
        self._transmitter, self._latency = transmitter, latency

    def _packets(self, length):
        return (min(left, self._longest) for left in range(length, 0, -self._longest))

    def read(self, cycle, length):
        """Bytes from the host, from `cycle` on; returns the cycle in which all are in the unified buffer."""
        for count in self._packets(length):
            self._transmitter.send(cycle + 1, 6)
            stored = self._transmitter.sent + self._latency + OVERHEAD + 2 * count + _RECEIVER
            self._transmitter.send(stored + 2, 0)
            cycle = stored + _ADVANCE
        return cycle

    def write(self, cycle, length):
        """Bytes to the host, from `cycle` on; returns the cycle in which all have left."""
        for count in self._packets(length):
            # Short rows leave faster than they come.
            waits = (ceil(count / self._cols) - 1) * max(0, _ROW - self._cols)
            self._transmitter.send(cycle + 1, 4 + count, _FETCH + waits)
            cycle = self._transmitter.sent + _ADVANCE
        return cycle


class WidePort:
    """A port that the chip does not have: what a faster link, such as PCIe, would be to the programs of a large one.

    Parameters
    ----------
    bytes_per_cycle : int or Fraction
    latency : int
        Cycles until the host answers.
    """

    def __init__(self, bytes_per_cycle, latency):
        self._bytes_per_cycle, self._latency = bytes_per_cycle, latency

    def read(self, cycle, length):
        """As `PacketPort.read`."""
        return cycle + self._latency * bool(length) + ceil(length / self._bytes_per_cycle)

    def write(self, cycle, length):
        """As `PacketPort.write`."""
        return cycle + ceil(length / self._bytes_per_cycle)


def host_unit(queue, port):
    """Process of the host unit, as `rtl.dma`."""
    start, cycle = -1, -1  # when the last instruction left the register before the unit, and its end
    while True:
        while (offer := queue.next()) is None:
            yield
        instruction, offered = offer
        accepted = max(offered, start + 1)
        queue.accept(accepted)
        start = max(accepted, cycle) + 1
        move = port.read if instruction.opcode is Opcode.READ_HOST_MEMORY else port.write
        cycle = move(start + _START, instruction.operands[0])
        queue.retire(instruction, start, cycle)
