"""A chip behind serial pins, with a UART at the other end of the wires, for simulations that move bytes."""

from amaranth.hdl import ClockSignal, Instance, Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from systolith.rtl.top import Tpu
from systolith.rtl.uart import Uart

__all__ = ["SerialBoard", "SerialChip"]

#: By what part the clock of the far end is slower, as two oscillators never agree.
_DETUNED = 0.01


class _SerialLine(wiring.Component):
    """The far end of a chip's serial line.

    Parameters
    ----------
    ratio : number
        Clock cycles a bit.

    Members
    -------
    rx : In(stream of bytes), tx : Out(stream of bytes)
        The host's side: `rx` goes to the chip.
    """

    rx: In(stream.Signature(unsigned(8)))
    tx: Out(stream.Signature(unsigned(8)))

    def __init__(self, ratio):
        self._ratio = ratio
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.far = far = Uart(self._ratio * (1 + _DETUNED), 1)
        wiring.connect(m, wiring.flipped(self.rx), far.tx)
        wiring.connect(m, far.rx, wiring.flipped(self.tx))
        self._add_chip(m, far.tx_pin, far.rx_pin)
        return m


class SerialChip(_SerialLine):
    """The chip's RTL and its UART.

    Parameters
    ----------
    config : Config
    ratio : number, clock cycles a bit
    """

    def __init__(self, config, ratio):
        self._config = config
        super().__init__(ratio)

    def _add_chip(self, m, rx_pin, tx_pin):
        m.submodules.chip = chip = Tpu(self._config)
        m.submodules.near = near = Uart(self._ratio, 1)
        wiring.connect(m, near.rx, chip.rx)
        wiring.connect(m, chip.tx, near.tx)
        m.d.comb += [near.rx_pin.eq(rx_pin), tx_pin.eq(near.tx_pin)]


class SerialBoard(_SerialLine):
    """A module ``top`` of Verilog with the pins of an iCEBreaker. It has a reset of its own.

    Parameters
    ----------
    ratio : number, clock cycles a bit
    """

    def _add_chip(self, m, rx_pin, tx_pin):
        m.submodules.top = Instance("top", i_clk12_0__io=ClockSignal(), i_uart_0__rx__io=rx_pin,
                                    o_uart_0__tx__io=tx_pin)
