"""The weight memory on the chip."""

from amaranth.hdl import Cat, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from .delay import delayed
from .interfaces import MemoryRead, MemoryWrite
from .one_hot import one_hot

__all__ = ["WeightMemory"]


class WeightMemory(wiring.Component):
    """`weight_memory_rows` rows of cols bytes, in banks that are a block of the FPGA deep.

    With `weight_path_rows` 2 it is two such memories, of the even and of the odd rows.

    Parameters
    ----------
    config : Config
        With `weight_memory` "sram".

    Members
    -------
    read : In(MemoryRead(28, 8 * weight_beat_bytes))
        The row at `address`, or at twice that and the next one; whether `en` is high or not.
    write : In(MemoryWrite(28, 8 * cols))
        In range, as what is read.

    Latency
    -------
    LATENCY cycles from an address to its row. A row is read from WRITTEN cycles after its write on; between it is
    arbitrary.
    """

    LATENCY = 4
    #: Cycles from a write to the first address that finds it.
    WRITTEN = 3
    #: Rows of a bank: the depth of a block of 18 kbit for bytes.
    BANK_ROWS = 2048

    def __init__(self, config):
        self._config = config
        super().__init__({"read": In(MemoryRead(28, 8 * config.weight_beat_bytes)),
                          "write": In(MemoryWrite(28, 8 * config.cols))})

    def elaborate(self, platform):
        m = Module()
        # Who asks and who writes are far from some of the banks, and a block is slow, and far from the next: registers
        # on the way to each bank, before it and behind it.
        address, en = delayed(m, self.write.address, 2), delayed(m, self.write.en, 2)
        data = delayed(m, self.write.data, 4)
        if self._config.weight_path_rows == 1:
            m.d.comb += self.read.data.eq(self._banks(m, "", address, en, data))
        else:
            m.d.comb += self.read.data.eq(Cat(
                self._banks(m, name, address[1:], en & (address[0] == odd), data)
                for odd, name in enumerate(("even_", "odd_"))))
        return m

    def _banks(self, m, name, address, en, data):
        """All rows, or every second one; returns what was read."""
        width, rows = 8 * self._config.cols, self._config.weight_memory_rows // self._config.weight_path_rows
        count, answers, was_asked = -(-rows // self.BANK_ROWS), [], []
        bank_bits = (self.BANK_ROWS - 1).bit_length()
        number = slice(bank_bits, bank_bits + (count - 1).bit_length())
        for b in range(count):
            # The host writes between programs, so that no read meets a write; yosys need not build what defines that.
            m.submodules[f"{name}bank{b}"] = bank = memory.Memory(
                shape=width, depth=min(self.BANK_ROWS, rows - b * self.BANK_ROWS), init=[], attrs={"no_rw_check": 1})
            read, write = bank.read_port(), bank.write_port()
            for port, asked, wanted in ((read, self.read.address, 1), (write, address, en)):
                chosen, place = delayed(m, (asked[number] == b) & wanted, 1), delayed(m, asked, 1)
                m.d.sync += port.en.eq(chosen)
                # Registers with an enable each: yosys makes one of those that are equal.
                with m.If(chosen):
                    m.d.sync += port.addr.eq(place)
            m.d.comb += write.data.eq(data)
            # The register is the block's own where it has one.
            answers.append(delayed(m, read.data, 1))
            was_asked.append(delayed(m, read.en, 2))
        return one_hot(was_asked, answers)
