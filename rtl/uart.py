"""The UART that carries the chip's byte streams over two wires."""

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .config import ConfigError

__all__ = ["DEFAULT_BAUD", "Uart"]

#: Bits a second of a link of which nothing else is said.
DEFAULT_BAUD = 1_000_000

# A start bit, eight of data, least significant first, and a stop bit.
_BITS = 10


class Uart(wiring.Component):
    """Sends and receives bytes, 8N1, at any ratio of clock and baud from 4 up.

    A ratio that is no whole number is spread over the bits of a frame: every bit is sent and sampled within half a
    cycle of its time. A byte whose stop bit is not high is dropped; a start bit that is not low in its middle is none.

    There is no flow control. That loses nothing: the host awaits the answer to each packet before it sends the next,
    and within a packet `PacketReceiver` never holds back for as long as a byte takes.

    Parameters
    ----------
    clock : number, Hz
    baud : number, bits a second

    Members
    -------
    rx_pin : In(1)
        Asynchronous.
    tx_pin : Out(1)
    rx : Out(stream of bytes)
        Each must be taken before the next one is complete, 10 bits later, or that one is lost.
    tx : In(stream of bytes)
    tolerance : float
        By what part of it the other end's baud may be off.

    Latency
    -------
    A received byte is offered within 4 cycles of the middle of its stop bit. Bytes are sent without a gap.

    Errors
    ------
    ConfigError
        If the baud is not positive or above a quarter of the clock.
    """

    @staticmethod
    def check(clock, baud):
        """Raises the `ConfigError`, if there is one, before there is a component that nothing uses."""
        if not 0 < baud <= clock / 4:
            raise ConfigError(f"baud must be between 1 and a quarter of the clock ({clock / 4:.0f}), not {baud!r}")

    def __init__(self, clock, baud):
        self.check(clock, baud)
        self._ratio = clock / baud
        super().__init__({"rx_pin": In(1, init=1), "tx_pin": Out(1, init=1),
                          "rx": Out(stream.Signature(unsigned(8))), "tx": In(stream.Signature(unsigned(8)))})

    @property
    def tolerance(self):
        # The stop bit is sampled half a bit before its end. The edge from which that is timed is seen up to a cycle
        # late, and the sample is half a cycle off: the ten bits of a faster end must not be over before.
        late = 1.5 / self._ratio
        return (0.5 - late) / (_BITS - 0.5 + late)

    def elaborate(self, platform):
        m = Module()
        self._receive(m)
        self._send(m)
        return m

    def _receive(self, m):
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx_pin, line, init=1)
        middles = [int(self._ratio * (n + 0.5) + 0.5) for n in range(_BITS)]
        due, number, is_last, restart = self._bit_timer(m, "rx", middles)
        bits = Signal(8)

        with m.If(self.rx.ready):
            m.d.sync += self.rx.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += restart.eq(1)
                with m.If(~line):
                    m.next = "FRAME"

            with m.State("FRAME"), m.If(due):
                m.d.sync += bits.eq(Cat(bits[1:], line))
                with m.If((number == 0) & line):
                    m.next = "IDLE"
                with m.If(is_last):
                    with m.If(line):
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "BREAK"
                    with m.If(line & (~self.rx.valid | self.rx.ready)):
                        m.d.sync += [self.rx.valid.eq(1), self.rx.payload.eq(bits)]

            # What is low now is no start bit.
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"

    def _send(self, m):
        ends = [int(self._ratio * (n + 1) + 0.5) for n in range(_BITS)]
        due, _, is_last, restart = self._bit_timer(m, "tx", ends)
        bits = Signal(_BITS - 2)
        sending = Signal()

        m.d.comb += self.tx.ready.eq(~sending | (due & is_last))
        with m.If(self.tx.ready):
            m.d.comb += restart.eq(1)
            m.d.sync += [sending.eq(self.tx.valid), self.tx_pin.eq(~self.tx.valid), bits.eq(self.tx.payload)]
        with m.Elif(due):
            m.d.sync += Cat(self.tx_pin, bits).eq(Cat(bits, 1))

    def _bit_timer(self, m, name, times):
        """Counts the bits of a frame: `due` in cycle `times[number]` after `restart`, then the next one begins.

        Returns
        -------
        due, number, is_last, restart : Signal
            `is_last`: number is that of the last bit.
        """
        lengths = [end - begin for begin, end in zip([0, *times], times)]
        # All but the first, which is half a bit in the receiver, last so many cycles or one more.
        shortest = min(lengths[1:])
        # The timer counts to -1, so that its sign tells.
        timer = Signal(signed((max(lengths) - 1).bit_length() + 1), name=f"{name}_timer")
        number = Signal(range(_BITS), name=f"{name}_number")
        is_last = Signal(name=f"{name}_is_last")
        due = timer[-1]
        restart = Signal(name=f"{name}_restart")
        following = Signal.like(timer, name=f"{name}_following")
        m.d.comb += following.eq(shortest - 2)
        with m.Switch(number), m.Case(*(n for n, length in enumerate(lengths[1:]) if length > shortest)):
            m.d.comb += following.eq(shortest - 1)
        with m.If(restart):
            m.d.sync += [timer.eq(lengths[0] - 2), number.eq(0), is_last.eq(0)]
        with m.Elif(due):
            m.d.sync += [timer.eq(following), number.eq(number + 1), is_last.eq(number == _BITS - 2)]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return due, number, is_last, restart
