"""The driver on a model device behind a line that changes chosen packets."""

from systolith.host.driver import Driver
from systolith.rtl.config import Config
from systolith.rtl.packets import Kind, PacketReader, pack
from systolith.sim.model_device import ModelDevice

CONFIG = Config(name="small", rows=3, cols=4, requantise_lanes=2, unified_buffer_bytes=512, weight_memory_rows=64,
                instruction_depth=32, packet_bytes=128, tag_depth=8)


class Line:
    """A device behind a line. `sent` lists the kinds of the commands.

    `to_chip` and `to_host`, functions of a packet's kind and bytes, give the bytes that arrive. What is no packet
    (zeros that resynchronise) passes.
    """

    def __init__(self, device, to_chip=None, to_host=None):
        self.device, self.to_chip, self.to_host = device, to_chip, to_host
        self.output = bytearray()
        self.sent = []
        self.closed = False

    def write(self, data):
        self.sent += [Kind(packet.kind) for packet in PacketReader(4096).feed(data)]
        self.device.write(changed(data, self.to_chip))
        answers = bytearray()
        while part := self.device.read(1000):
            answers += part
        self.output += changed(bytes(answers), self.to_host)

    def read(self, n):
        # In small pieces: the driver must not rely on whole packets.
        data = bytes(self.output[:min(n, 7)])
        del self.output[:len(data)]
        return data

    def close(self):
        self.closed = True


def changed(data, change):
    if change is None:
        return data
    out = bytearray()
    found = PacketReader(4096).feed(data)
    for packet in found:
        out += change(packet.kind, pack(packet.kind, packet.payload, packet.sequence))
    return bytes(out) if found else data


def once(kind, change):
    """A change of the first packet of that kind."""
    left = [1]

    def apply(this, data):
        if this == kind and left:
            left.pop()
            return change(data)
        return data
    return apply


def lost(data):
    return b""


def shortened(data):
    return data[:6] + data[7:]


def damaged(data):
    return data[:-1] + bytes([data[-1] ^ 0x10])


def driver(to_chip=None, to_host=None, config=CONFIG):
    line = Line(ModelDevice(CONFIG), to_chip, to_host)
    return Driver(line, config), line
