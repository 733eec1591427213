"""The host's end of the byte stream: commands and their answers over a line that may lose or change bytes."""

import random

from systolith.rtl.errors import UserError
from systolith.rtl.packets import Kind, PacketReader, Reason, pack

__all__ = ["LONGEST", "DeviceError", "LineError", "Link", "Refused", "Unanswered"]

#: The longest payload of any configuration, for as long as the chip's is not known.
LONGEST = 4096
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


class LineError(DeviceError):
    """The line has lost or changed what cannot be repeated by itself; to reset and start anew helps."""


class Unanswered(LineError):
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
    """

    def __init__(self, device, config):
        self._device = device
        self._longest = config.packet_bytes if config else LONGEST
        self._reader = PacketReader(self._longest)
        self._packets = []
        # Not the numbers of the program before this one, whose last answers may still be on their way.
        self._sequence = random.randrange(255)
        self.events = []

    def close(self):
        """Closes the device."""
        self._device.close()

    def command(self, kind, payload=b"", once=False):
        """Sends a command until it is answered; returns the payload of the ACK.

        `once`: it must not be carried out twice, so it is sent again only if the device has refused its CRC.
        """
        refused = set()
        for _ in range(_ATTEMPTS):
            self._sequence = self._sequence % 255 + 1
            self._device.write(pack(kind, payload, self._sequence))
            answer = self._answer(refused)
            if answer is None:
                # What has begun to come has lost its end.
                self._reader = PacketReader(self._longest)
                self._flush()
                answer = self._answer(refused)
                if answer is None and once:
                    break
            if answer is None:
                continue
            if answer.kind == Kind.ACK:
                return answer.payload
            if answer.payload[0] != Reason.CRC:
                raise Refused(kind, answer.payload[0])
            if once:
                refused.add(self._sequence)
            self._flush()
        raise Unanswered(f"the device did not answer {kind.name}")

    def receive(self):
        """The next packet that is not damaged, or None if nothing comes within the device's time-out."""
        while True:
            while not self._packets:
                data = self._device.read(LONGEST)
                if not data:
                    return None
                self._packets += self._reader.feed(data)
            packet = self._packets.pop(0)
            if packet.good:
                return packet

    def _flush(self):
        """Ends a packet that has lost bytes on its way to the device, which then refuses it for its CRC."""
        self._device.write(bytes(self._longest + 16))

    def _answer(self, refused):
        """The answer to the last command, or None if there is none. Answers to earlier ones are dropped.

        `refused` are numbers under which it was sent before. What was refused may have been noise of the same number.
        """
        while (packet := self.receive()) is not None:
            if packet.kind not in (Kind.ACK, Kind.NAK):
                self.events.append(packet)
            elif packet.sequence == self._sequence:
                return packet
            elif packet.kind == Kind.ACK and packet.sequence in refused:
                raise LineError("the device may have carried out a command twice")
        return None
