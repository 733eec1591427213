"""A line to a device that drops, doubles, changes and delays bytes, and a pseudo-terminal at its end."""

import os
import select
import threading
import tty
from contextlib import contextmanager

import numpy as np

__all__ = ["FAULTS", "FaultyLine", "pseudo_terminal"]

FAULTS = ("drop", "double", "change", "delay")


class FaultyLine:
    """A device behind a line with faults of the kinds in `kinds`, each byte's with probability `rate`, both ways.

    A delay holds back the byte and all behind it until the device is next read. `count` counts the faults.
    """

    def __init__(self, device, rate, kinds=FAULTS, seed=0):
        self.device, self.rate, self.kinds = device, rate, kinds
        self.count = 0
        self._rng = np.random.default_rng(seed)
        self._late = {"in": bytearray(), "out": bytearray()}

    def write(self, data):
        self.device.write(self._pass("in", data))

    def read(self, n):
        if self._late["in"]:
            self.device.write(self._pass("in", b""))
        return self._pass("out", self.device.read(n))

    def close(self):
        self.device.close()

    def _pass(self, way, data):
        """What comes out of the line when `data` goes in."""
        arrived, late = bytearray(self._late[way]), bytearray()
        for byte in data:
            end = late if late else arrived
            fault = self._rng.choice(self.kinds) if self._rng.random() < self.rate else None
            self.count += fault is not None
            match fault:
                case "drop":
                    continue
                case "double":
                    end.append(byte)
                case "change":
                    byte ^= int(self._rng.integers(1, 256))
                case "delay":
                    end = late
            end.append(byte)
        self._late[way] = late
        return bytes(arrived)


@contextmanager
def pseudo_terminal(device, piece=4096):
    """The name of a pseudo-terminal at whose other end the device is served, as long as the context lasts.

    A simulated device is clocked by its `read`, so that its time goes on while the host waits. It gets at most `piece`
    bytes between two reads; those that it has no time for wait in the terminal, as at a real port.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            if select.select([ours], [], [], 0.001)[0]:
                device.write(os.read(ours, piece))
            if answer := device.read(4096):
                os.write(ours, answer)

    server = threading.Thread(target=serve)
    server.start()
    try:
        # Our own hold on their end keeps the terminal alive between its users.
        yield os.ttyname(theirs)
    finally:
        ended.set()
        server.join()
        os.close(ours)
        os.close(theirs)
