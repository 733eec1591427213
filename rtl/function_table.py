"""Function tables: any function of an int8, such as sigmoid, after requantisation."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .stamp import place

__all__ = ["FunctionTable", "FunctionTables", "table_rows"]

ENTRIES = 256
#: The row of an entry is its product with the reciprocal of cols to so many bits, which is exact for all 256.
RECIPROCAL_BITS = 16


def table_rows(cols):
    """Rows of so many bytes that a table takes."""
    return -(-ENTRIES // cols)


class FunctionTable(wiring.Component):
    """One lane's 256 bytes, in rows as the load bus brings them; one look-up a cycle.

    Parameters
    ----------
    cols : int
        Bytes of a row.

    Members
    -------
    write_en : In(1), write_index : In(20), write_data : In(8 * cols)
        Stores a row: entries `write_index * cols` and following. The index is below `table_rows(cols)`.
    entry : In(8)
    use : In(1)
    result : Out(8)
        The entry's byte, or with `use` low the entry itself.

    Latency
    -------
    LATENCY cycles from `entry` and `use` to `result`. A row that is stored counts for the entries of the next
    cycle on.
    """

    LATENCY = 3

    def __init__(self, cols):
        self._cols = cols
        super().__init__({"write_en": In(1), "write_index": In(20), "write_data": In(8 * cols), "entry": In(8),
                          "use": In(1), "result": Out(8)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._cols

    def elaborate(self, platform):
        m = Module()
        cols = self._cols
        rows = table_rows(cols)
        # Programs do not load a table that is in use, so that no look-up has to be defined that meets a write.
        # Verilog has no address of zero bits: at least two rows.
        m.submodules.memory = table = memory.Memory(shape=8 * cols, depth=max(2, rows), init=[],
                                                    attrs={"no_rw_check": 1})
        write, read = table.write_port(), table.read_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_index),
            write.data.eq(self.write_data),
        ]

        # Cycle 1: the row. Cycle 2: its bytes, and which of them. Cycle 3: the byte.
        row = Signal(range(max(2, rows)), reset_less=True)
        column = Signal(range(cols), reset_less=True)
        result = Signal(8, reset_less=True)
        reciprocal = -(-(1 << RECIPROCAL_BITS) // cols)
        entry, use = delayed(m, self.entry, 1), delayed(m, self.use, 2)
        m.d.comb += read.addr.eq(row)
        m.d.sync += [
            row.eq((self.entry * reciprocal) >> RECIPROCAL_BITS),
            column.eq(entry - row * cols),
            result.eq(Mux(use, read.data.word_select(column, 8), delayed(m, entry, 1))),
        ]
        m.d.comb += self.result.eq(result)
        return m


class FunctionTables(wiring.Component):
    """The same table for several lanes, a copy each.

    They are two halves of such tables, so that equal parts are elaborated once: a row is wide, and elaboration costs by
    the bit.

    Parameters
    ----------
    cols : int
        Bytes of a row.
    lanes : int

    Members
    -------
    write_en, write_index, write_data, use
        As in `FunctionTable`, for all lanes.
    entries : In(8 * lanes), results : Out(8 * lanes)
        `entry` and `result` of lane i in bits 8*i.

    Latency
    -------
    As `FunctionTable`.
    """

    def __init__(self, cols, lanes):
        self._cols = cols
        self._lanes = lanes
        super().__init__({"write_en": In(1), "write_index": In(20), "write_data": In(8 * cols), "use": In(1),
                          "entries": In(8 * lanes), "results": Out(8 * lanes)})

    @property
    def stamp_key(self):
        """Equal keys mean equal hardware."""
        return self._cols, self._lanes

    def elaborate(self, platform):
        m = Module()
        common = {name: getattr(self, name) for name in ("write_en", "write_index", "write_data", "use")}
        if self._lanes == 1:
            place(m, "table", FunctionTable(self._cols), platform, entry=self.entries, result=self.results, **common)
            return m
        half = self._lanes // 2
        split = 8 * half
        place(m, "half0", FunctionTables(self._cols, half), platform,
              entries=self.entries[:split], results=self.results[:split], **common)
        place(m, "half1", FunctionTables(self._cols, self._lanes - half), platform,
              entries=self.entries[split:], results=self.results[split:], **common)
        return m
