"""Layers of the vector unit that only move elements: the maximum of a single element is a copy."""

from dataclasses import dataclass, field, replace
from functools import partial

from systolith.rtl.isa import Function, Unit

from .box import Box
from .layer import PIECE_CYCLES, Extent, Layer, Piece, chunks

__all__ = ["Move", "MoveLayer"]

#: Most vectors that an instruction has in a row.
_MOST_VECTORS = (1 << 14) - 1


@dataclass(frozen=True)
class Move:
    """Element (y, x, c) of a grid goes from one tensor to another.

    Members
    -------
    source : int, tensor number
    count : (height, width, channels) of the grid
    take, put : where its elements are in the source and go to in the target: (first, step) for each axis; a step of 0
        takes one element again and again
    """
    source: int
    count: tuple
    take: tuple = ((0, 1),) * 3
    put: tuple = ((0, 1),) * 3

    def into(self, box):
        """What of it goes into a box of the target, or None."""
        count, take, put = [], [], []
        for size, (source, step), (target, stride), (low, high) in zip(self.count, self.take, self.put, box):
            first, last = (max(0, -(-(edge - target) // stride)) for edge in (low, high))
            if first >= min(last, size):
                return None
            count.append(min(last, size) - first)
            take.append((source + first * step, step))
            put.append((target + first * stride, stride))
        return replace(self, count=tuple(count), take=tuple(take), put=tuple(put))

    def box(self, places):
        """The smallest box around the elements at `take` or at `put`."""
        return Box(*((first, first + (size - 1) * step + 1) for size, (first, step) in zip(self.count, places)))

    def relative(self, source, target):
        """The same move where only those boxes of source and target are stored."""
        def less(places, box):
            return tuple((first - low, step) for (first, step), (low, _) in zip(places, box))
        return replace(self, take=less(self.take, source), put=less(self.put, target))


@dataclass
class MoveLayer(Layer):
    """Concatenation, slices, repetition: every element of the target is one of a source, or a constant.

    Members
    -------
    moves : list of Move
    fill : int or None, what the elements hold that no move makes
    """
    moves: list = field(default_factory=list)
    fill: int | None = None

    slides = True

    def needs(self, box, shapes):
        needed = {}
        for move in filter(None, (move.into(box) for move in self.moves)):
            taken = move.box(move.take)
            needed[move.source] = needed[move.source].hull(taken) if move.source in needed else taken
        # Of a source that has no part in this box a row, as every source is stored.
        return {source: needed.get(source) or Box((0, 1), *Box.whole(shapes[source])[1:]) for source in self.sources}

    def part(self, box, held):
        moves = filter(None, (move.into(box) for move in self.moves))
        return replace(self, moves=[move.relative(held[move.source], box) for move in moves])

    def prepare(self, builder, layouts):
        target, padding = layouts[self.target], super().prepare(builder, layouts)
        if self.fill is None:
            return padding
        return [partial(builder.fill, target, [(target.base, target.size, 1, 0)], self.fill), *padding]

    def begin(self, builder, layouts):
        return self.copies(builder, layouts, self.moves)

    def copies(self, builder, layouts, moves):
        """Pieces that emit some moves."""
        config, target = builder.config, layouts[self.target]
        cycles = -(-target.row_bytes // config.cols) * config.vector_beats
        pieces = []
        for y0, y1, _, _ in chunks(target.height, 1, max(1, PIECE_CYCLES // cycles)):
            needs, atoms = {}, []
            rows = Box.whole((target.height, target.width, target.channels))._replace(rows=(y0, y1))
            for move in filter(None, (move.into(rows) for move in moves)):
                source = layouts[move.source]
                before = needs.get(move.source, Extent(0, source.channels)).rows
                needs[move.source] = Extent(max(before, move.box(move.take).rows[1]), source.channels)
                atoms += [partial(self._emit, builder, source, target, move, line)
                          for line in _lines(move, source, target, config.cols)]
            pieces.append(Piece(needs, Extent(y1, 0), atoms))
        return pieces

    def _emit(self, builder, source, target, move, line):
        """One move, or the part of it that is a line of vectors in each row."""
        taken, put = move.box(move.take), move.box(move.put)
        first_in, first_out, x_count, take_step, put_step, columns = line
        (y_in, step_in), (y_out, step_out) = move.take[0], move.put[0]
        origin_in, origin_out = taken.channels[0] + first_in, put.channels[0] + first_out
        # Not where a row is one line of bytes, whose pixels do not count.
        parts = [(origin, origin + columns) if origin + columns <= t.channels else None
                 for origin, t in ((origin_in, source), (origin_out, target))]
        builder.configure(Unit.VECTOR, y_stride=step_in * source.pitch, x_count=x_count, x_stride=take_step,
                          tap1_count=1, tap0_count=1, out_y_stride=step_out * target.pitch, out_x_stride=put_step,
                          minimum=-128, maximum=127)
        whole = x_count > 1 and take_step == put_step == columns
        reads, writes = (bytes_(*box.rows, None if whole else part)
                         for bytes_, box, part in ((source.region, taken, parts[0]), (target.pixels, put, parts[1])))
        builder.vector(reads, writes, function=Function.MAXIMUM, columns=columns, y_count=move.count[0],
                       in_address=source.address(y_in, taken.columns[0]) + origin_in,
                       out_address=target.address(y_out, put.columns[0]) + origin_out)


def _lines(move, source, target, cols):
    """The vectors of each row of a move: (first byte in source, in target, number, step in source, step in target,
    bytes of each)."""
    for first, count, take_step, put_step, columns in _rows(move, source, target, cols):
        for done in range(0, count, _MOST_VECTORS):
            yield (first + done * take_step, first + done * put_step, min(_MOST_VECTORS, count - done), take_step,
                   put_step, columns)


def _rows(move, source, target, cols):
    """`_lines` however long."""
    _, width, channels = move.count
    (_, step_in), (_, step_out) = move.take[1], move.put[1]
    if step_in == step_out == 1 and channels == source.channels == target.channels:
        # A row is contiguous in both: bytes are bytes.
        whole, rest = divmod(width * channels, cols)
        lines = (0, whole, cols, cols, cols), (whole * cols, 1, cols, cols, rest)
        return [line for line in lines if line[1] and line[4]]
    return [(c, width, step_in * source.channels, step_out * target.channels, min(cols, channels - c))
            for c in range(0, channels, cols)]
