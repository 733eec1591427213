"""The driver: commands, programs and the host's memory, the same for every device."""

import struct
import time

from systolith.rtl.config import PRESETS
from systolith.rtl.isa import Fault
from systolith.rtl.packets import (
    COUNTERS,
    INFO,
    MAGIC,
    PROTOCOL,
    STATUS,
    Kind,
    Reason,
    Space,
    State,
    unpack_fields,
    word_bytes,
)

from .link import DeviceError, LineError, Link, Refused, Unanswered

__all__ = ["ChipFault", "DeviceError", "Driver"]

_FAULTS = {
    Fault.ILLEGAL_INSTRUCTION: "an illegal instruction",
    Fault.UNIFIED_BUFFER_RANGE: "an access past the end of the unified buffer",
    Fault.ACCUMULATOR_RANGE: "an access past the end of the accumulators",
    Fault.WEIGHT_MEMORY_RANGE: "an access past the end of the weight memory",
    Fault.PROGRAM_END: "a program without Halt",
    Fault.DEADLOCK: "a deadlock",
}


class ChipFault(DeviceError):
    """A program ended in a fault.

    Members
    -------
    status : dict
        The `STATUS` fields.
    """

    def __init__(self, status):
        self.status = status
        super().__init__(f"the chip stopped because of {_FAULTS.get(status['fault'], 'an unknown fault')} "
                         f"(fault {status['fault']}) at instruction {status['fault_address']}")


class Driver:
    """Talks to one device.

    Parameters
    ----------
    device
        See `Link`.
    config : Config or None
        What the chip must be. Without it `hello` finds the one of the same digest among `known`.
    known : iterable of Config or None
        By default the presets.

    Members
    -------
    config : Config or None
        What the chip is, as far as it is known.
    interrupts : list of int
        Codes of the INTERRUPT packets of the last run.

    Errors
    ------
    DeviceError
        By every method, if the device does not answer several attempts or refuses a command. A `LineError` if it may
        help to `reset` it and start anew.
    """

    def __init__(self, device, config=None, known=None):
        self._link = Link(device, config)
        self._known = known or PRESETS.values()
        self._number = 0
        self.config = config
        self.interrupts = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Closes the device."""
        self._link.close()

    def hello(self):
        """The `INFO` fields, after checking that this is a chip of the configuration.

        Errors
        ------
        DeviceError
            If it is not.
        """
        try:
            info = _fields(INFO, self._link.command(Kind.HELLO))
        except Unanswered:
            raise Unanswered("no systolith answers: its bitstream must be loaded, and its baud that of the "
                             "device") from None
        if info["magic"] != MAGIC:
            raise DeviceError(f"the device is no systolith: it calls itself {info['magic']!r}")
        if info["protocol"] != PROTOCOL:
            raise DeviceError(f"the device speaks protocol {info['protocol']}, the driver {PROTOCOL}")
        if self.config is None:
            self.config = next((c for c in self._known if c.digest() == info["digest"]), None)
            if self.config is None:
                raise DeviceError(f"the device is a {info['rows']} x {info['cols']} chip of an unknown configuration; "
                                  "name the file it was built from with --config")
        config = self.config
        if (info["rows"], info["cols"]) != (config.rows, config.cols):
            raise DeviceError(f"the device is a {info['rows']} x {info['cols']} chip, "
                              f"but configuration {config.name} is {config.rows} x {config.cols}")
        if info["digest"] != config.digest():
            raise DeviceError(f"the device has the size of configuration {config.name} but other parameters")
        return info

    def write(self, space, address, data, progress=None):
        """Writes a memory.

        Parameters
        ----------
        space : Space
        address : int, words
        data : bytes-like, whole words
        progress : callable (bytes done, bytes total) or None
        """
        self._need_config()
        view = memoryview(data).cast("B")
        size = word_bytes(self.config, space)
        step = (self.config.packet_bytes - 5) // size * size
        for start in range(0, len(view), step):
            chunk = view[start:start + step]
            self._link.command(Kind.WRITE, struct.pack("<BI", space, address + start // size) + chunk)
            if progress:
                progress(start + len(chunk), len(view))

    def read(self, space, address, words):
        """The bytes of `words` words of a memory from `address` on."""
        self._need_config()
        size = word_bytes(self.config, space)
        step = self.config.packet_bytes // size
        data = bytearray()
        for start in range(0, words, step):
            count = min(step, words - start)
            answer = self._link.command(Kind.READ, struct.pack("<BIH", space, address + start, count))
            if len(answer) != count * size:
                raise DeviceError(f"the device sent {len(answer)} bytes instead of {count * size}")
            data += answer
        return bytes(data)

    def tags(self, count):
        """The first `count` snapshots of the counters, each a dict by `COUNTERS`."""
        data = self.read(Space.TAGS, 0, count)
        return [dict(zip(COUNTERS, values, strict=True)) for values in struct.iter_unpack(f"<{len(COUNTERS)}I", data)]

    def status(self):
        """The `STATUS` fields."""
        return _fields(STATUS, self._link.command(Kind.STATUS))

    def reset(self):
        """Stops a program that runs and forgets what it has sent."""
        self._link.command(Kind.RESET)
        self._link.events.clear()

    def run(self, address, host_memory=None, timeout=None):
        """Runs the program at an instruction address until it halts.

        After an error other than a fault the program may still be running: `reset` stops it.

        Parameters
        ----------
        address : int
        host_memory : bytearray, or object with read(address, length) and write(address, data), or None
            What Read_Host_Memory and Write_Host_Memory reach.
        timeout : float or None, seconds

        Returns
        -------
        dict
            The `STATUS` fields at the end.

        Errors
        ------
        ChipFault
            If the program ends in a fault.
        DeviceError
            If it reaches beyond the host's memory or runs into the time-out.
        LineError
            If a packet of the program was lost.
        """
        if host_memory is None or isinstance(host_memory, bytearray):
            host_memory = _Memory(bytearray() if host_memory is None else host_memory)
        deadline = None if timeout is None else time.monotonic() + timeout
        self._link.events.clear()
        self.interrupts = []
        self._number = 0
        self._start(address)
        while (status := self._serve(host_memory)) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise DeviceError(f"the program did not end within {timeout} seconds")
        if status["state"] == State.FAULTED:
            raise ChipFault(status)
        return status

    def _need_config(self):
        """Asks the chip what it is unless that is known."""
        if self.config is None:
            self.hello()

    def _start(self, address):
        """Sends RUN. If it was not answered, what the program sends or the status tells whether it was heard."""
        try:
            self._link.command(Kind.RUN, struct.pack("<I", address), once=True)
            # The answer precedes all that the program sends.
            self._link.events.clear()
        except Unanswered:
            if not self._link.events and self.status()["state"] != State.RUNNING:
                raise

    def _serve(self, memory):
        """Handles what the program sends next; returns the status once it has ended."""
        packet = self._next()
        if packet is None:
            self._look_for_loss()
            return None
        if packet.kind in (Kind.ACK, Kind.NAK):
            # Late, to a command that was given up.
            return None
        if packet.sequence != self._number % 256:
            raise LineError("a packet of the program was lost on its way")
        self._number += 1
        match packet.kind:
            case Kind.HOST_READ:
                address, length = struct.unpack("<IH", packet.payload)
                self._send_data(bytes(memory.read(address, length)))
            case Kind.HOST_WRITE:
                address, = struct.unpack_from("<I", packet.payload)
                memory.write(address, packet.payload[4:])
            case Kind.INTERRUPT:
                self.interrupts += struct.unpack("<H", packet.payload)
            case Kind.STOPPED:
                return _fields(STATUS, packet.payload)
        return None

    def _next(self):
        """The next packet, or None if nothing comes within the device's time-out."""
        return self._link.events.pop(0) if self._link.events else self._link.receive()

    def _look_for_loss(self):
        """Finds out why the program is silent: it is at work, or its last packet was lost.

        Answers never overtake what the program has sent before.
        """
        if self.status()["state"] == State.RUNNING:
            if not self._awaits_data():
                return
        elif not self._link.events and (packet := self._link.receive()) is not None:
            # The answer had begun before STOPPED.
            self._link.events.append(packet)
        if not self._link.events:
            raise LineError("the last packet of the program was lost on its way")

    def _awaits_data(self):
        """Whether the program waits for DATA, by offering none."""
        try:
            self._link.command(Kind.DATA)
        except Refused as refusal:
            return refusal.reason == Reason.LENGTH
        return False

    def _send_data(self, data):
        """Sends DATA. If it was not answered, what the program sends next tells whether it was heard."""
        try:
            self._link.command(Kind.DATA, data, once=True)
        except Refused as refusal:
            # The program has ended in a fault meanwhile: STOPPED tells.
            if refusal.reason != Reason.UNEXPECTED:
                raise
        except Unanswered:
            if not any(packet.kind != Kind.INTERRUPT for packet in self._link.events):
                raise


class _Memory:
    """A bytearray as host memory."""

    def __init__(self, data):
        self._data = data

    def read(self, address, length):
        self._check("reads", address, length)
        return self._data[address:address + length]

    def write(self, address, data):
        self._check("writes", address, len(data))
        self._data[address:address + len(data)] = data

    def _check(self, verb, address, length):
        if address + length > len(self._data):
            raise DeviceError(f"the program {verb} {length} bytes at address {address} of a host memory of "
                              f"{len(self._data)} bytes")


def _fields(fields, payload):
    """`unpack_fields`, with a sentence for a payload of the wrong length."""
    try:
        return unpack_fields(fields, payload)
    except struct.error:
        raise DeviceError(f"the device sent {len(payload)} bytes where others were due") from None
