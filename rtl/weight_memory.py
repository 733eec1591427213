"""The weight memory on the chip."""

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from .delay import delayed
from .interfaces import MemoryRead, MemoryWrite

__all__ = ["WeightMemory"]


class WeightMemory(wiring.Component):
    """`weight_memory_rows` rows of cols bytes.

    Parameters
    ----------
    config : Config
        With `weight_memory` "sram".

    Members
    -------
    read : In(MemoryRead(28, 8 * cols))
        The row at `address`, whether `en` is high or not.
    write : In(MemoryWrite(28, 8 * cols))
        In range, as what is read.

    Latency
    -------
    A row is read from the second cycle after its write on; in the cycle between it is arbitrary.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({"read": In(MemoryRead(28, 8 * config.cols)), "write": In(MemoryWrite(28, 8 * config.cols))})

    def elaborate(self, platform):
        m = Module()
        # The host writes between programs, so that no read meets a write; yosys need not build what defines that.
        m.submodules.memory = rows = memory.Memory(
            shape=8 * self._config.cols, depth=self._config.weight_memory_rows, init=[], attrs={"no_rw_check": 1})
        read, write = rows.read_port(), rows.write_port()
        m.d.comb += [
            # It reads in any case: who asks knows when, and an enable of all blocks is a slow wire.
            read.en.eq(1), read.addr.eq(self.read.address), self.read.data.eq(read.data),
            # The host's words come from afar and go to all blocks: a register between.
            *(port.eq(delayed(m, value, 1)) for port, value in (
                (write.en, self.write.en), (write.addr, self.write.address), (write.data, self.write.data))),
        ]
        return m
