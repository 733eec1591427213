"""CRC-32 of packets, a bit a cycle: a quarter of the logic of a byte a cycle."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SerialCrc"]

#: The polynomial of IEEE 802.3 and the register after a packet with its right CRC, both as shifted to the right.
_POLYNOMIAL, _RESIDUE = 0xEDB88320, 0xDEBB20E3


class SerialCrc(wiring.Component):
    """The members of `amaranth.lib.crc.Processor`, and `ready`.

    Members
    -------
    start : In(1)
        Pulse: begins a new CRC. Not while a byte is being taken in.
    data : In(8), valid : In(1)
        The next byte; only with `ready`.
    ready : Out(1)
        The bytes so far are in `crc` and `match_detected`.
    crc : Out(32)
    match_detected : Out(1)
        The bytes end in their own CRC.

    Latency
    -------
    8 cycles a byte, in which `ready` is low.
    """

    #: Cycles from a byte to the next.
    CYCLES = 9

    start: In(1)
    data: In(8)
    valid: In(1)
    ready: Out(1)
    crc: Out(32)
    match_detected: Out(1)

    def elaborate(self, platform):
        m = Module()
        register = Signal(32, init=0xFFFFFFFF)
        byte, left = Signal(8), Signal(range(9))
        m.d.comb += [self.ready.eq(left == 0), self.crc.eq(~register), self.match_detected.eq(register == _RESIDUE)]
        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), byte.eq(byte[1:]),
                         register.eq(register[1:] ^ Mux(register[0] ^ byte[0], _POLYNOMIAL, 0))]
        with m.Else():
            m.d.sync += byte.eq(self.data)
            with m.If(self.valid):
                m.d.sync += left.eq(8)
        with m.If(self.start):
            m.d.sync += register.eq(register.init)
        return m
