"""The golden model behind the chip's byte stream: a device to talk to where there is no chip."""

import struct

from systolith.rtl import packets
from systolith.rtl.packets import Kind, Reason, Space, State

from .golden import GoldenModel

__all__ = ["ModelDevice"]


class _Refusal(Exception):
    """A command that is answered by a NAK."""

    def __init__(self, reason):
        super().__init__(reason.name)
        self.reason = reason


class ModelDevice:
    """Answers packets as the chip does, each at once: a program runs as far as it can while `write` handles its RUN.

    Parameters
    ----------
    config : Config

    Members
    -------
    model : GoldenModel
        Whose memories the packets reach.
    """

    def __init__(self, config):
        self.model = GoldenModel(config)
        self._config = config
        self._reader = packets.PacketReader(config.packet_bytes)
        self._output = bytearray()
        self._steps = None
        self._number = 0
        self._awaited = 0

    def write(self, data):
        """Takes bytes from the host."""
        for packet in self._reader.feed(data):
            try:
                if not packet.good:
                    raise _Refusal(Reason.CRC)
                answer = self._handler(packet.kind)(packet.payload)
            except _Refusal as refusal:
                self._send(Kind.NAK, bytes([refusal.reason]), packet.sequence)
                continue
            self._send(Kind.ACK, answer, packet.sequence)
            if packet.kind == Kind.RUN:
                self._number = 0
                self._advance(None)
            elif packet.kind == Kind.DATA:
                self._advance(packet.payload)

    def read(self, n):
        """The next bytes for the host, at most `n`; none if there is nothing to say."""
        data = bytes(self._output[:n])
        del self._output[:n]
        return data

    def close(self):
        """Nothing to release."""

    def _send(self, kind, payload, sequence):
        self._output += packets.pack(kind, payload, sequence)

    def _tell(self, kind, payload):
        """Sends a packet of the program's."""
        self._send(kind, payload, self._number)
        self._number = (self._number + 1) % 256

    def _advance(self, answer):
        """Lets the program run until it ends or asks the host for bytes."""
        self._awaited = 0
        while True:
            try:
                kind, *arguments = self._steps.send(answer)
            except StopIteration:
                return self._tell(Kind.STOPPED, self._status_fields())
            answer = None
            match kind:
                case Kind.HOST_READ:
                    self._awaited = arguments[1]
                    return self._tell(kind, struct.pack("<IH", *arguments))
                case Kind.HOST_WRITE:
                    address, data = arguments
                    self._tell(kind, struct.pack("<I", address) + data)
                case Kind.INTERRUPT:
                    self._tell(kind, struct.pack("<H", *arguments))

    # Commands: each takes the payload and returns that of the ACK

    def _handler(self, kind):
        handlers = {Kind.HELLO: self._hello, Kind.WRITE: self._write, Kind.READ: self._read, Kind.RUN: self._run,
                    Kind.STATUS: self._status, Kind.RESET: self._reset, Kind.DATA: self._data}
        if kind not in handlers:
            raise _Refusal(Reason.KIND)
        return handlers[kind]

    def _hello(self, payload):
        _need(not payload, Reason.LENGTH)
        return packets.pack_fields(packets.INFO, {
            "magic": packets.MAGIC, "protocol": packets.PROTOCOL, "rows": self._config.rows, "cols": self._config.cols,
            "digest": self._config.digest()})

    def _write(self, payload):
        _need(len(payload) >= 5, Reason.LENGTH)
        space, address = struct.unpack_from("<BI", payload)
        _need(space in (Space.UNIFIED_BUFFER, Space.WEIGHTS, Space.INSTRUCTIONS), Reason.SPACE)
        words, rest = divmod(len(payload) - 5, packets.word_bytes(self._config, space))
        _need(not rest, Reason.LENGTH)
        memory = self._words(space, address, words)
        memory.reshape(-1)[:] = bytearray(payload[5:])
        return b""

    def _read(self, payload):
        _need(len(payload) == 7, Reason.LENGTH)
        space, address, words = struct.unpack("<BIH", payload)
        _need(space in (Space.UNIFIED_BUFFER, Space.TAGS), Reason.SPACE)
        _need(words and words * packets.word_bytes(self._config, space) <= self._config.packet_bytes, Reason.LENGTH)
        return self._words(space, address, words).tobytes()

    def _words(self, space, address, words):
        _need(address + words <= packets.space_words(self._config, space), Reason.ADDRESS)
        self._need_idle()
        return self.model.memory(space)[address:address + words]

    def _need_idle(self):
        _need(self.model.state is not State.RUNNING, Reason.BUSY)

    def _run(self, payload):
        _need(len(payload) == 4, Reason.LENGTH)
        address, = struct.unpack("<I", payload)
        _need(address < self._config.instruction_depth, Reason.ADDRESS)
        self._need_idle()
        self._steps = self.model.steps(address)
        return b""

    def _status(self, payload):
        _need(not payload, Reason.LENGTH)
        return self._status_fields()

    def _status_fields(self):
        model = self.model
        return packets.pack_fields(packets.STATUS, {
            "state": model.state, "fault": model.fault, "fault_address": model.fault_pc, **model.counters})

    def _reset(self, payload):
        _need(not payload, Reason.LENGTH)
        self.model.reset()
        self._awaited = 0
        return b""

    def _data(self, payload):
        _need(self._awaited, Reason.UNEXPECTED)
        _need(len(payload) == self._awaited, Reason.LENGTH)
        return b""


def _need(condition, reason):
    if not condition:
        raise _Refusal(reason)
