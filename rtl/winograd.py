"""What Winograd's inner product must take away again: the products of neighbouring activations and of weights.

The cells of the array sum up (a0 + w1) * (a1 + w0) over the pairs of rows, which is a0*w0 + a1*w1 + a0*a1 + w0*w1. The
products of activations are the same for all columns: one column of multipliers at the west edge makes their sum, which
travels along the south edge in step with the skewed sums. Those of weights are constant for a tile: they are made while
its rows shift in, and start the partial sums at the north edge.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from .delay import delayed
from .mac import MacCell, sum_width
from .multiplier import Multiplier
from .product import Product
from .stamp import place

__all__ = ["ActivationCorrection", "ColumnPair", "ColumnPairLayout", "WeightCorrection"]

_CELL_LATENCY = MacCell.latency("winograd")
_WEIGHT = signed(8)


class ActivationCorrection(Component):
    """Subtracts the products of activations from the sums of all columns.

    Parameters
    ----------
    rows, cols : int

    Members
    -------
    activations : In(16 * (rows // 2))
        Of the pairs of rows, each with its skew: those of pair p come p cycles after those of pair 0, which come with
        the activations of the array's first cell, or one cycle later if that is a cell of one row.
    sums : In(sum_width(rows) * cols)
        From the cells, column c in bits sum_width(rows)*c and c cycles later than column 0.
    corrected : Out(sum_width(rows) * cols)

    Latency
    -------
    `LATENCY` cycles from `sums` to `corrected`.
    """

    LATENCY = 1

    def __init__(self, rows, cols):
        self.rows = rows
        self.cols = cols
        sums = sum_width(rows) * cols
        super().__init__({"activations": In(16 * (rows // 2)), "sums": In(sums), "corrected": Out(sums)})

    @property
    def stamp_key(self):
        """What makes two corrections equal."""
        return self.rows, self.cols

    def elaborate(self, platform):
        m = Module()
        total = Const(0, signed(sum_width(1)))
        for p in range(self.rows // 2):
            multiplier = place(m, f"multiplier{p}", Multiplier(8), platform)
            m.d.comb += Cat(multiplier.a, multiplier.b).eq(self.activations.word_select(p, 16))
            product = delayed(m, multiplier.product[0], 1)
            total = delayed(m, total + product, 1)
        total = delayed(m, total, _CELL_LATENCY - 1 - Multiplier.LATENCY - 1)

        width = sum_width(self.rows)
        for c in range(self.cols):
            corrected = Signal(width, name=f"corrected{c}", reset_less=True)
            m.d.sync += corrected.eq(self.sums.word_select(c, width) - total)
            m.d.comb += self.corrected.word_select(c, width).eq(corrected)
            total = delayed(m, total, 1)
        return m


class ColumnPairLayout(data.StructLayout):
    """Control of the products of weights, on its way from column to column.

    Members
    -------
    shift : a row of weights comes, or two
    pair : the second row of a pair is there
    clear : the sum of a tile begins anew
    add : a product is added to it
    switch : the tile's sum starts the partial sums from now on
    """
    def __init__(self):
        super().__init__({name: unsigned(1) for name in ("shift", "pair", "clear", "add", "switch")})


class ColumnPair(Component):
    """Sums of the products of weights in two columns, by multipliers of adders: DSP blocks are left to the cells.

    Where one row comes a cycle, each column has a product every other cycle at most, and the eastern one is a cycle
    behind: they never meet, and share a multiplier.

    Parameters
    ----------
    width : int
        Bits of the partial sums.
    path : int
        Rows that come at once: 1 or 2.

    Members
    -------
    west : In(ColumnPairLayout()), east : Out(ColumnPairLayout())
    weights : In(ArrayLayout(signed(8), 2 * path))
        Of the two columns, with their skew; of each column the upper row first.
    starts : Out(ArrayLayout(signed(width), 2))
        What the partial sums of the two columns start with.

    Latency
    -------
    1 cycle from column to column, 2 from `west` to `east`. A product is made `PRODUCT` cycles after its `pair`.
    """

    #: `clear`, `add` and `switch` are delayed by as much, so that a tile's sum starts the partial sums from its first
    #: vector on. A tile's last row comes at least a cycle before its switch, the next tile's first row with the switch
    #: at the earliest: the sum is whole, and not yet cleared, when it is taken.
    PRODUCT = _CELL_LATENCY - 2

    def __init__(self, width, path):
        self.width = width
        self.path = path
        super().__init__({
            "west": In(ColumnPairLayout()), "east": Out(ColumnPairLayout()),
            "weights": In(data.ArrayLayout(signed(8), 2 * path)), "starts": Out(data.ArrayLayout(signed(width), 2)),
        })

    @property
    def stamp_key(self):
        """What makes two pairs of columns equal."""
        return self.width, self.path

    def elaborate(self, platform):
        m = Module()
        middle, east = (Signal(ColumnPairLayout(), name=name, reset_less=True) for name in ("middle", "east_register"))
        m.d.sync += [middle.eq(self.west), east.eq(middle)]
        m.d.comb += self.east.eq(east)

        products = (self._shared if self.path == 1 else self._each)(m, platform, middle)
        for n, control in enumerate((self.west, middle)):
            total, start = (Signal(signed(self.width), name=f"{name}{n}", reset_less=True)
                            for name in ("total", "start"))
            with m.If(control.clear):
                m.d.sync += total.eq(0 if self.path == 1 else -products[n])
            with m.Elif(control.add):
                m.d.sync += total.eq(total - products[n])
            with m.If(control.switch):
                m.d.sync += start.eq(total)
            m.d.comb += self.starts[n].eq(start)
        return m

    def _shared(self, m, platform, middle):
        """Products of each row with the one before it: the same for both columns, but each knows when it is its own."""
        multiplier = place(m, "multiplier", Product(_WEIGHT, _WEIGHT, dsp=False), platform)
        previous = [Signal(_WEIGHT, name=f"previous{n}", reset_less=True) for n in range(2)]
        m.d.comb += [factor.eq(Mux(self.west.pair, *columns)) for factor, columns in (
            (multiplier.a, (self.weights[0], self.weights[1])), (multiplier.b, previous))]
        for n, control in enumerate((self.west, middle)):
            with m.If(control.shift):
                m.d.sync += previous[n].eq(self.weights[n])
        return [delayed(m, multiplier.product, self.PRODUCT - Product.latency(_WEIGHT))] * 2

    def _each(self, m, platform, middle):
        """Products of the rows that come together."""
        products = []
        for n in range(2):
            multiplier = place(m, f"multiplier{n}", Product(_WEIGHT, _WEIGHT, dsp=False), platform)
            m.d.comb += [multiplier.a.eq(self.weights[2 * n]), multiplier.b.eq(self.weights[2 * n + 1])]
            products.append(delayed(m, multiplier.product, self.PRODUCT - Product.latency(_WEIGHT)))
        return products


class WeightCorrection(Component):
    """What the partial sums of each column start with: the products of its tile's weights, negated.

    Parameters
    ----------
    rows, cols : int
    path : int
        Rows that come at once.

    Members
    -------
    weights : In(8 * path * cols)
        With their skew: column c is c cycles behind.
    shift, switch : In(1)
        As of the array.
    first_row : In(1)
        What comes with `shift` is the first of its tile.
    starts : Out(sum_width(rows) * cols)
        Sums at the north of the cells, as skewed as their switches.

    Latency
    -------
    From a tile's switch on, `starts` has its value when the cells add it.
    """

    def __init__(self, rows, cols, path):
        self.rows = rows
        self.cols = cols
        self.path = path
        super().__init__({"weights": In(8 * path * cols), "shift": In(1), "switch": In(1), "first_row": In(1),
                          "starts": Out(sum_width(rows) * cols)})

    def elaborate(self, platform):
        m = Module()
        # Pairs are counted from the bottom row, which comes first; with an odd number of rows the top one is alone.
        first, second, pair = (Signal(name=name) for name in ("first", "second", "pair"))
        m.d.comb += first.eq(self.shift & self.first_row)
        if self.path == 1:
            m.d.comb += pair.eq(self.shift & ~self.first_row & second)
            with m.If(self.shift):
                m.d.sync += second.eq(self.first_row | ~second)
        else:
            m.d.comb += pair.eq(self.shift)

        control = Signal(ColumnPairLayout())
        later = delayed(m, Cat(first, pair, self.switch), ColumnPair.PRODUCT)
        m.d.comb += [control.shift.eq(self.shift), control.pair.eq(pair),
                     Cat(control.clear, control.add, control.switch).eq(later)]
        width = sum_width(self.rows)
        for c in range(0, self.cols, 2):
            columns = place(m, f"columns{c // 2}", ColumnPair(width, self.path), platform)
            lanes = slice(8 * self.path * c, 8 * self.path * (c + 2))
            m.d.comb += [
                columns.west.eq(control),
                columns.weights.eq(self.weights[lanes]),
                self.starts[width * c:width * (c + 2)].eq(columns.starts),
            ]
            control = columns.east
        return m
