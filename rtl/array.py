"""The systolic array: rows x cols weights in cells of two rows, with the skew of activations and weights."""

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from .mac import EastboundLayout, MacCell, sum_width
from .skew import Skew
from .stamp import place
from .winograd import ActivationCorrection, WeightCorrection

__all__ = ["ArrayBand", "ArrayColumn", "SystolicArray", "delay"]

#: Bits of the skew for each cell: two activations and the switch.
LANE = 17
#: Bits that cross from one column to the next in each cell. Flat, as Amaranth would write out each field of a layout.
EASTBOUND = EastboundLayout().size


def cells(rows):
    """Cells of a column."""
    return (rows + 1) // 2


def delay(m, name, value, cycles, *, reset_less=False):
    """`value` so many cycles later, through one wide shift register (one object, however long it is)."""
    if cycles == 0:
        return value
    line = Signal(len(value) * cycles, name=name, reset_less=reset_less)
    m.d.sync += line.eq(Cat(value, line))
    return line[-len(value):]


class ArrayColumn(Component):
    """One column of cells: weights and partial sums pass from north to south, each activation to the column's east.

    Rows pair up from the bottom; the top cell has one row if their number is odd.

    Parameters
    ----------
    rows : int
    kind : str
        Of `systolith.rtl.terms.term`.
    path : int
        Weights that shift at once, see `MacCell`.

    Members
    -------
    west : In(EASTBOUND * cells(rows)), east : Out(EASTBOUND * cells(rows))
        An `EastboundLayout` a cell, cell i in bits EASTBOUND*i.
    weight : In(8 * path)
    start : In(signed(sum_width(rows)))
        Partial sum from the north.
    sum : Out(signed(sum_width(rows)))

    Latency
    -------
    1 cycle from west to east, as `MacCell`. Cell i must run i cycles behind the top cell; `sum` belongs to the last
    cell, `start` to the top one.
    """

    def __init__(self, rows, kind, path):
        self.rows = rows
        self.kind = kind
        self.path = path
        width = sum_width(rows)
        super().__init__({
            "west": In(EASTBOUND * cells(rows)), "east": Out(EASTBOUND * cells(rows)), "weight": In(8 * path),
            "start": In(signed(width)), "sum": Out(signed(width)),
        })

    @property
    def stamp_key(self):
        """What makes two columns equal."""
        return self.rows, self.kind, self.path

    def elaborate(self, platform):
        m = Module()
        weight, total = self.weight, self.start
        for i in range(cells(self.rows)):
            rows = 1 if i == 0 and self.rows % 2 else 2
            cell = place(m, f"cell{i}", MacCell(self.kind, rows, len(total), self.path), platform,
                         west=self.west.word_select(i, EASTBOUND), east=self.east.word_select(i, EASTBOUND),
                         weight=weight, sum=total)
            weight, total = cell.weight_out, cell.sum_out
        m.d.comb += self.sum.eq(total)
        return m


class ArrayBand(Component):
    """Neighbouring columns as one component, so that large arrays are elaborated soon.

    What crosses between columns is wide, and elaboration costs by the bit. A band is two bands of half the width, so
    that it is written out 2 * log2(cols) times instead of cols times.

    Parameters
    ----------
    rows, cols : int
    kind : str
        `Config.multiplier`.
    adders : int
        How many columns, from the east, multiply in adders instead of DSP blocks; only of "winograd".
    path : int
        Weights of a column that shift at once.

    Members
    -------
    west : In(EASTBOUND * cells(rows)), east : Out(EASTBOUND * cells(rows))
    weights : In(8 * path * cols)
        Column c in bits 8*path*c.
    starts : In(sum_width(rows) * cols), sums : Out(sum_width(rows) * cols)
        Column c in bits sum_width(rows)*c.

    Latency
    -------
    Column c runs c cycles behind column 0, which is as `ArrayColumn`.
    """

    def __init__(self, rows, cols, kind, adders, path):
        self.rows = rows
        self.cols = cols
        self.kind = kind
        self.adders = adders
        self.path = path
        sums = sum_width(rows) * cols
        super().__init__({
            "west": In(EASTBOUND * cells(rows)), "east": Out(EASTBOUND * cells(rows)), "weights": In(8 * path * cols),
            "starts": In(sums), "sums": Out(sums),
        })

    @property
    def stamp_key(self):
        """What makes two bands equal."""
        return self.rows, self.cols, self.kind, self.adders, self.path

    def elaborate(self, platform):
        m = Module()
        if self.cols == 1:
            kind = f"{self.kind}-adders" if self.adders else self.kind
            place(m, "column", ArrayColumn(self.rows, kind, self.path), platform, west=self.west, east=self.east,
                  weight=self.weights, start=self.starts, sum=self.sums)
            return m
        half = self.cols // 2
        split, lanes = half * sum_width(self.rows), 8 * self.path * half
        far_adders = min(self.adders, self.cols - half)
        middle = Signal(len(self.west))
        place(m, "near", ArrayBand(self.rows, half, self.kind, self.adders - far_adders, self.path), platform,
              west=self.west, east=middle, weights=self.weights[:lanes], starts=self.starts[:split],
              sums=self.sums[:split])
        place(m, "far", ArrayBand(self.rows, self.cols - half, self.kind, far_adders, self.path), platform,
              west=middle, east=self.east, weights=self.weights[lanes:], starts=self.starts[split:],
              sums=self.sums[split:])
        return m


class SystolicArray(Component):
    """Multiplies one vector a cycle by the tile of weights in its cells.

    A tile shifts in from the north, bottom row first, while the previous one is in use. Cells further south take part
    in the shift later (that of row r from the tile's row r on), so that the shift may begin as soon as the switch to
    the previous tile has entered the top cell: it follows the switch down the cells. Two registers a weight are thus
    enough for a new tile every `tile_beats` cycles, however few vectors a tile has. With `weight_path_rows` 2 both rows
    of a cell shift at once.

    Parameters
    ----------
    config : Config

    Members
    -------
    activations : In(8 * rows)
        A vector, every cycle; row r in bits 8*r.
    switch : In(1)
        With a vector: the tile that has been shifted in becomes active for it. `rows` rows must have come since the
        last switch, all of them in earlier cycles.
    weights : In(8 * weight_beat_bytes)
        The next rows of the next tile, one behind the other; column c of each in its bits 8*c.
    shift : In(1)
        `weights` is taken `shift_ahead(config)` cycles later. The first row of a tile must not come before the cycle of
        the switch to the previous tile.
    sums : Out(sum_width * cols)
        Products of the vectors with the columns of the tile, signed; column c in bits sum_width*c, and c cycles later
        than column 0.

    Latency
    -------
    `latency(config)` cycles from `activations` to column 0 of `sums`.
    """

    @staticmethod
    def latency(config):
        """Cycles from a vector to the sum of its column 0."""
        correction = ActivationCorrection.LATENCY if config.multiplier == "winograd" else 0
        return cells(config.rows) - 1 + MacCell.latency(config.multiplier) + correction

    @staticmethod
    def shift_ahead(config):
        """Cycles from `shift` to its row of `weights`: a register for each row of cells, but in a small chip."""
        return 0 if config.compact else 1

    def __init__(self, config):
        self.config = config
        self.sum_width = sum_width(config.rows)
        super().__init__({
            "activations": In(8 * config.rows), "switch": In(1),
            "weights": In(8 * config.weight_beat_bytes), "shift": In(1),
            "sums": Out(self.sum_width * config.cols),
        })

    def elaborate(self, platform):
        m = Module()
        rows, cols, kind = self.config.rows, self.config.cols, self.config.multiplier
        count, single, path = cells(rows), rows % 2, self.config.weight_path_rows

        # Bit r: row r (or pair r) takes part in the next shift, which is so when r of the tile have come before.
        takes_part = Signal(self.config.tile_beats, init=1)
        with m.If(self.shift):
            m.d.sync += takes_part.eq(Cat(1, takes_part))
            with m.If(takes_part[-1]):
                m.d.sync += takes_part.eq(1)
        taking = Cat(self.shift & takes_part[max(0, 2 * i - single) // path] for i in range(count))
        shifts = delay(m, "cells_shift", taking, self.shift_ahead(self.config))

        # A cell shifts from its first row's turn on. A top cell of one row has a second activation of 0.
        vector = Cat(self.activations[:8], Const(0, 8), self.activations[8:]) if single else self.activations
        activations = place(m, "activation_skew", Skew(count, LANE), platform,
                            d=Cat(Cat(vector.word_select(i, 16), self.switch) for i in range(count)))
        # The row that comes first is the lower one.
        lanes = Cat(self.weights.word_select(row * cols + c, 8) for c in range(cols) for row in reversed(range(path)))
        weights = place(m, "weight_skew", Skew(cols, 8 * path), platform, d=lanes)
        array = place(m, "cells", ArrayBand(rows, cols, kind, self.config.adder_columns, path), platform,
                      west=Cat(Cat(activations.q.word_select(i, LANE), shifts[i]) for i in range(count)),
                      weights=weights.q)
        if kind == "winograd":
            m.submodules.weight_correction = north = WeightCorrection(rows, cols, path)
            south = place(m, "activation_correction", ActivationCorrection(rows, cols), platform)
            m.d.comb += [
                north.weights.eq(weights.q),
                north.shift.eq(shifts[0]),
                north.switch.eq(self.switch),
                north.first_row.eq(delay(m, "first_row", ~takes_part[1:2].any(), self.shift_ahead(self.config))),
                array.starts.eq(north.starts),
                south.activations.eq(Cat(activations.q.word_select(i, LANE)[:16] for i in range(single, count))),
                south.sums.eq(array.sums),
                self.sums.eq(south.corrected),
            ]
        else:
            m.d.comb += self.sums.eq(array.sums)
        return m
