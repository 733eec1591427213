"""The chip behind its UART, simulated by Verilator, with a second UART at the other end of the wires."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from systolith.rtl.top import Tpu
from systolith.rtl.uart import Uart

__all__ = ["SerialChip"]


class SerialChip(wiring.Component):
    """A chip and both ends of its serial line, as bytes at the far end.

    Parameters
    ----------
    config : Config
    ratio : number, clock cycles a bit

    Members
    -------
    rx : In(stream of bytes), tx : Out(stream of bytes)
    """

    rx: In(stream.Signature(unsigned(8)))
    tx: Out(stream.Signature(unsigned(8)))

    def __init__(self, config, ratio):
        self._config, self._ratio = config, ratio
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.chip = chip = Tpu(self._config)
        m.submodules.near = near = Uart(self._ratio, 1)
        m.submodules.far = far = Uart(self._ratio, 1)
        wiring.connect(m, near.rx, chip.rx)
        wiring.connect(m, chip.tx, near.tx)
        wiring.connect(m, wiring.flipped(self.rx), far.tx)
        wiring.connect(m, far.rx, wiring.flipped(self.tx))
        m.d.comb += [near.rx_pin.eq(far.tx_pin), far.rx_pin.eq(near.tx_pin)]
        return m
