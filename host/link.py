"""The host's end of the byte stream: commands and their answers over a line that may lose or change bytes."""

from systolith.rtl.errors import UserError
from systolith.rtl.packets import Kind, PacketReader, Reason, pack

__all__ = ["DeviceError", "Link", "Refused", "Unanswered"]

#: The longest payload of any configuration, for as long as the chip's is not known.
_LONGEST = 4096
_ATTEMPTS = 4

_REASONS = {
    Reason.KIND: "it does not know the command",
    Reason.LENGTH: "the length is wrong",
    Reason.SPACE: "the memory cannot be reached by this command",
    Reason.ADDRESS: "the address is past the end of the memory",
    Reason.BUSY: "a program is running",
    Reason.UNEXPECTED: "it did not ask for data",
}


class DeviceError(UserError):
    """The device does not answer, or not as it should; the message is one full sentence."""


class Unanswered(DeviceError):
    """A command was not answered."""


class Refused(DeviceError):
    """A command was answered by a NAK whose `reason` is not its CRC."""

    def __init__(self, kind, reason):
        self.reason = reason
        super().__init__(f"the device refused {kind.name}: {_REASONS.get(reason, f'reason {reason}')}")


class Link:
    """Exchanges packets with a device.

    Parameters
    ----------
    device
        Anything with `write(bytes)`, `read(n)` (the bytes that are there, at most `n`, after waiting for the first up
        to the device's own time-out; none if none came) and `close()`.
    config : Config or None
        Of the chip, if it is known.

    Members
    -------
    events : list of Packet
        What the chip sent of its own accord while an answer was awaited, oldest first.
    strict : bool
        A damaged packet that is no answer is an error: nobody will send it again.
    """

    def __init__(self, device, config):
        self._device = device
        self._longest = config.packet_bytes if config else _LONGEST
        self._reader = PacketReader(self._longest)
        self._packets = []
        self._sequence = 0
        self.events = []
        self.strict = False

    def close(self):
        """Closes the device."""
        self._device.close()

    def command(self, kind, payload=b"", once=False):
        """Sends a command until it is answered; returns the payload of the ACK.

        `once`: it must not be carried out twice, so it is sent again only if the device has refused its CRC.
        """
        for _ in range(_ATTEMPTS):
            self._sequence = self._sequence % 255 + 1
            self._device.write(pack(kind, payload, self._sequence))
            answer = self._answer()
            if answer is None:
                self._resynchronise()
                answer = self._answer()
                if answer is None and once:
                    break
            if answer is None:
                continue
            if answer.kind == Kind.ACK:
                return answer.payload
            if answer.payload[0] != Reason.CRC:
                raise Refused(kind, answer.payload[0])
            self._resynchronise()
        raise Unanswered(f"the device did not answer {kind.name}")

    def receive(self):
        """The next packet that is not damaged, or None if nothing comes within the device's time-out."""
        while True:
            while not self._packets:
                data = self._device.read(_LONGEST)
                if not data:
                    return None
                self._packets += self._reader.feed(data)
            packet = self._packets.pop(0)
            if packet.good:
                return packet
            if self.strict and packet.kind not in (Kind.ACK, Kind.NAK):
                raise DeviceError("a packet that the program sent was damaged on its way, so the run cannot go on")

    def _resynchronise(self):
        """Ends a packet that is incomplete on its way in either direction: the device refuses it for its CRC."""
        self._reader = PacketReader(self._longest)
        self._device.write(bytes(self._longest + 16))

    def _answer(self):
        """The answer to the last command, or None if there is none. Answers to earlier ones are dropped."""
        while (packet := self.receive()) is not None:
            if packet.kind not in (Kind.ACK, Kind.NAK):
                self.events.append(packet)
            elif packet.sequence == self._sequence:
                return packet
        return None
