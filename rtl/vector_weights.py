"""Store of the depthwise weights."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .interfaces import LoadBus
from .isa import Destination
from .parameters import PLANES

__all__ = ["DepthwiseWeights"]


class DepthwiseWeights(wiring.Component):
    """Takes the depthwise weights out of the vector unit's parameter sets, the rows from PLANES on, and gives all taps
    of a kernel row at once.

    Rows come in order, as Read_Weights delivers them; those beyond vector_kernel_rows are dropped. Reset does not
    change the weights.

    Parameters
    ----------
    config : Config

    Members
    -------
    load : In(LoadBus(config))
    slot : In(3)
    kernel_row : In(range(vector_kernel_rows))
    weights : Out(array of vector_taps x 8 * cols bits), one byte a lane, the tap of the oldest vector first

    Latency
    -------
    `weights` follows `slot` and `kernel_row` by LATENCY cycles. A row that is loaded can be read in the third cycle
    after it.
    """

    LATENCY = 1

    def __init__(self, config):
        self._config = config
        super().__init__({"load": In(LoadBus(config)), "slot": In(3),
                          "kernel_row": In(range(config.vector_kernel_rows)),
                          "weights": Out(data.ArrayLayout(unsigned(8 * config.cols), config.vector_taps))})

    def elaborate(self, platform):
        m = Module()
        taps, kernel_rows = self._config.vector_taps, self._config.vector_kernel_rows
        row_bits = len(self.kernel_row)
        m.submodules.memory = store = memory.Memory(
            shape=self.weights.shape(), depth=self._config.parameter_slots << row_bits, init=[])

        # Counters for the place of a row, since the number of taps need not be a power of two.
        # The parameter store takes the same rows far away: what is decoded of them goes into a register first.
        tap, kernel_row = Signal(range(taps)), Signal(range(kernel_rows + 1))
        is_weights, restarts = Signal(), Signal()
        chosen, beyond = self.load.valid & (self.load.destination == Destination.VECTOR), self.load.index >= PLANES
        m.d.sync += [is_weights.eq(chosen & beyond), restarts.eq(chosen & ~beyond)]
        wanted = is_weights & (kernel_row != kernel_rows)
        with m.If(restarts):
            m.d.sync += [tap.eq(0), kernel_row.eq(0)]
        with m.Elif(wanted):
            with m.If(tap == taps - 1):
                m.d.sync += [tap.eq(0), kernel_row.eq(kernel_row + 1)]
            with m.Else():
                m.d.sync += tap.eq(tap + 1)

        write = store.write_port(granularity=1)
        read = store.read_port()
        slot, row = delayed(m, self.load.slot, 1), delayed(m, self.load.data, 2)
        m.d.sync += [write.addr.eq(Cat(kernel_row[:row_bits], slot)), write.en.eq(wanted << tap)]
        m.d.comb += [
            [lane.eq(row) for lane in write.data],
            read.addr.eq(Cat(self.kernel_row, self.slot)),
            self.weights.eq(read.data),
        ]
        return m
