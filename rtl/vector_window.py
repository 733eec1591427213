"""Sliding window of a depthwise convolution along x."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["VectorWindow"]


class VectorWindow(wiring.Component):
    """Keeps, for each kernel row, the last vectors that were read, so that each is read from the buffer once.

    Parameters
    ----------
    config : Config

    Members
    -------
    kernel_row : In(range(vector_kernel_rows)), of the vector that comes LATENCY cycles later
    en : In(1), the vector is there
    vector : In(8 * cols)
    window : Out(array of vector_taps x 8 * cols bits)
        The kernel row's last vectors, the oldest first; the last one is `vector` itself.

    Latency
    -------
    `en`, `vector` and `window` follow `kernel_row` by LATENCY cycles. A kernel row may come again every second cycle.
    """

    LATENCY = 1

    def __init__(self, config):
        self._config = config
        super().__init__({
            "kernel_row": In(range(config.vector_kernel_rows)), "en": In(1), "vector": In(8 * config.cols),
            "window": Out(data.ArrayLayout(unsigned(8 * config.cols), config.vector_taps))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.window[-1].eq(self.vector)
        if self._config.vector_taps == 1:
            return m
        m.submodules.memory = older = memory.Memory(
            shape=unsigned(8 * self._config.cols * (self._config.vector_taps - 1)),
            depth=self._config.vector_kernel_rows, init=[])
        read, write = older.read_port(), older.write_port()
        kernel_row = Signal.like(self.kernel_row)
        m.d.sync += kernel_row.eq(self.kernel_row)
        m.d.comb += [
            read.addr.eq(self.kernel_row),
            self.window.eq(Cat(read.data, self.vector)),
            write.addr.eq(kernel_row),
            write.data.eq(self.window.as_value()[8 * self._config.cols:]),
            write.en.eq(self.en),
        ]
        return m
