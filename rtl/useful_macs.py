"""Counts the multiplications by weights that are not zero, in cycles of the whole array."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from .array import delay
from .tile_fifo import TileFifo

__all__ = ["UsefulMacs"]

#: Bits that are counted at once: inputs of an FPGA's look-up table.
_GROUP = 4


class UsefulMacs(Component):
    """Beside the array: adds up, vector by vector, how many of the active tile's weights are not zero.

    The weights of a tile are counted while it shifts in, into a count that becomes the active one with its switch. Each
    vector adds the active count to a remainder; whenever that reaches rows * cols, one array cycle of useful work is
    done, and counted. Since the last Run's beginning so many were counted as whole cycles were full.

    Parameters
    ----------
    config : Config

    Members
    -------
    row_taken : In(1), row : In(8 * weight_beat_bytes)
        A row of the next tile, or two, is taken for the array. It follows `TileFifo.LATENCY` cycles later; in a compact
        chip it is there.
    switching : In(1)
        The tile becomes active for the vector of this cycle; its last row is taken in this cycle at the latest.
    vector : In(1)
        A vector is multiplied.
    full : Out(1)
        A cycle's worth of multiplications by weights other than zero is full.

    Latency
    -------
    `latency(config)` cycles from `vector` to `full`, so much later than `array_active` the counter has it. No
    instruction retires that early: what a matrix unit has retired is counted.
    """

    @staticmethod
    def latency(config):
        """Cycles from a vector to what it adds."""
        return UsefulMacs._row_delay(config) + UsefulMacs._row_latency(config) + 2

    @staticmethod
    def _row_delay(config):
        return 0 if config.compact else TileFifo.LATENCY

    @staticmethod
    def _row_latency(config):
        """Cycles from a row to its count: which halves of weights are zero, which weights, groups, pairs of groups."""
        groups = -(-config.weight_beat_bytes // _GROUP)
        return 3 + (groups - 1).bit_length()

    def __init__(self, config):
        self._config = config
        super().__init__({"row_taken": In(1), "row": In(8 * config.weight_beat_bytes),
                          "switching": In(1), "vector": In(1),
                          "full": Out(1)})

    def elaborate(self, platform):
        m = Module()
        weights, size = self._config.weight_beat_bytes, self._config.macs

        def stage(name, values, most):
            """The values in registers."""
            registers = [Signal(range(most + 1), name=f"{name}_{i}", reset_less=True) for i in range(len(values))]
            m.d.sync += [register.eq(value) for register, value in zip(registers, values)]
            return registers

        halves = stage("half", [self.row.word_select(i, 4).any() for i in range(2 * weights)], 1)
        row_taken = delay(m, "row_taken_line", self.row_taken, self._row_delay(self._config) + 1)
        nonzero = stage("nonzero", [row_taken & Cat(halves[2 * c:2 * c + 2]).any() for c in range(weights)], 1)
        most = min(_GROUP, weights)
        counts = stage("group", [sum(nonzero[i:i + _GROUP]) for i in range(0, weights, _GROUP)], most)
        while len(counts) > 1:
            most = min(2 * most, weights)
            counts = stage(f"count{most}", [sum(counts[i:i + 2]) for i in range(0, len(counts), 2)], most)

        wait = self._row_delay(self._config) + self._row_latency(self._config)
        switching = delay(m, "switch_line", self.switching, wait)
        vector = delay(m, "vector_line", self.vector, wait + 1)
        shadow, active, tile = (Signal(range(size + 1), name=name) for name in ("shadow", "active", "tile"))
        remainder, total = Signal(range(size)), Signal(range(2 * size))
        m.d.comb += [tile.eq(shadow + counts[0]), total.eq(remainder + Mux(vector, active, 0))]
        m.d.sync += [shadow.eq(Mux(switching, 0, tile)), self.full.eq(total >= size),
                     remainder.eq(Mux(total >= size, total - size, total))]
        with m.If(switching):
            m.d.sync += active.eq(tile)
        return m
