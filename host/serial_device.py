"""A chip on a board, at a serial port of this machine."""

import contextlib
import errno
import sys

import serial
from serial.tools import list_ports
from systolith.rtl.uart import DEFAULT_BAUD

from .link import LONGEST, DeviceError

__all__ = ["SerialDevice"]

# Seconds that bridge, driver and a busy machine may take, besides the time of the bits.
_PATIENCE = 0.5


class SerialDevice:
    """The device behind a serial port, 8N1 without flow control.

    Parameters
    ----------
    place : str
        ``PORT`` or ``PORT@BAUD``, as in ``/dev/ttyUSB0`` or ``COM3@115200``; the baud is that of the chip's `Uart`.
    timeout : float or None, seconds
        Of a read or write; by default the time of the longest packet each way and half a second.

    Errors
    ------
    DeviceError
        If the port cannot be opened, with what to do about it; by `read` and `write` if it is gone or
        stuck.
    """

    def __init__(self, place, timeout=None):
        self._name, baud = _split(place)
        if timeout is None:
            timeout = _PATIENCE + 2 * LONGEST * 10 / baud
        try:
            self._port = serial.Serial(self._name, baud, timeout=timeout, write_timeout=timeout, exclusive=True)
        except (OSError, ValueError, OverflowError) as error:  # the last one: a baud of eleven digits
            raise DeviceError(_advice(self._name, error)) from None
        # An FTDI bridge otherwise holds a short answer back for 16 ms. Only pyserial on Linux can change that, and not
        # for a pseudo-terminal (ValueError); without, it works as well, slower.
        if sys.platform == "linux":
            with contextlib.suppress(ValueError):
                self._port.set_low_latency_mode(True)

    def write(self, data):
        """Sends bytes."""
        with self._connected():
            self._port.write(data)

    def read(self, n):
        """The bytes that have come, at most `n`, after waiting for the first; none after the time-out."""
        with self._connected():
            first = self._port.read(1)
            return first + self._port.read(min(n - 1, self._port.in_waiting)) if first else b""

    def close(self):
        """Closes the port."""
        self._port.close()

    @contextlib.contextmanager
    def _connected(self):
        try:
            yield
        except serial.SerialTimeoutException:
            raise DeviceError(f"serial port {self._name} takes no bytes: is there a board behind it?") from None
        except OSError:
            raise DeviceError(f"serial port {self._name} is gone: was the board unplugged?") from None


def _split(place):
    port, at, baud = place.rpartition("@")
    if not at:
        return place, DEFAULT_BAUD
    if not baud.isdecimal() or not int(baud):
        raise DeviceError(f"the baud of serial port {port} must be a number, not {baud!r}")
    return port, int(baud)


def _advice(port, error):
    """One sentence: why the port cannot be opened, and what helps."""
    match error.errno if isinstance(error, OSError) else None:
        case errno.ENOENT:
            found = ", ".join(sorted(found.device for found in list_ports.comports())) or "none"
            return f"there is no serial port {port}; connected are: {found}"
        case errno.EACCES | errno.EPERM:
            return (f"serial port {port} may not be opened by this user: join the group that owns it "
                    "(sudo usermod -aG dialout $USER) and log in again")
        case errno.EBUSY | errno.EAGAIN:
            return f"serial port {port} is in use: close the other program that has it open"
    return f"{port} cannot be opened as a serial port: {error}"
