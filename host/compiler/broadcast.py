"""Element-wise layers of which one operand is smaller than the other."""

from dataclasses import dataclass, replace

from .box import Box
from .layer import PIECE_CYCLES, Extent, Layer, Piece
from .layout import Layout
from .move import Move, MoveLayer

__all__ = ["BroadcastLayer"]

#: About what an instruction of the vector unit costs beside its steps, in cycles and in bytes that are sent, and how
#: many cycles it takes until its results can be read.
_ISSUE_CYCLES = 10
_LATENCY = 50


@dataclass
class BroadcastLayer(MoveLayer):
    """Element-wise arithmetic of which an operand is repeated first, into the place of the result.

    Where every row is the same, only so many are made as the result's last ones, which are the operand of all others
    before they are overwritten themselves. Where every pixel is the same, so many pixels, or none (`_by_pixels`).

    Members
    -------
    moves : list of one Move
    inner : ElementwiseLayer, one of whose two sources is REPEATED
    """
    inner: Layer = None

    slides = False

    #: Stands for the repeated operand.
    REPEATED = -1

    def needs(self, box, shapes):
        full = {source: box for source in self.inner.sources if source != self.REPEATED}
        return {**super().needs(box, shapes), **full}

    def part(self, box, held):
        return replace(super().part(box, held), inner=self.inner.part(box, {**held, self.REPEATED: box}))

    def begin(self, builder, layouts):
        target, moves = layouts[self.target], self.moves
        if self._pixelwise(target):
            return self._by_pixels(builder, layouts)
        height, rows = target.height, target.height
        if moves[0].take[0][1] == 0:
            # As many as make repeating them as long as it takes to issue an instruction for so many rows each.
            vectors = -(-target.row_bytes // builder.config.cols)
            rows = min(height, max(1, round((_ISSUE_CYCLES * height / (builder.config.vector_beats * vectors)) ** 0.5)))
            last = Box.whole((height, target.width, target.channels))._replace(rows=(height - rows, height))
            moves = [moves[0].into(last)]
        pieces = [Piece(piece.needs, Extent(0, 0), piece.atoms)
                  for piece in self.copies(builder, layouts, moves) if piece.atoms]
        for end in range(height % rows or rows, height + 1, rows):
            start = max(0, end - rows)
            made = replace(target.from_row(start), height=end - start, bottom=0)
            operands = [target.from_row(height - made.height) if source == self.REPEATED else
                        layouts[source].from_row(start) for source in self.inner.sources]
            for piece in self.inner.pieces(builder, *operands, made):
                needs = {source: Extent(need.rows + start, need.channels) for source, need in piece.needs.items()
                         if source != self.REPEATED}
                pieces.append(Piece(needs, Extent(piece.makes.rows + start, 0), piece.atoms))
        return pieces

    def _pixelwise(self, target):
        """Whether the operand is that of one pixel, all its channels, for every pixel."""
        (move,), shape = self.moves, (target.height, target.width, target.channels)
        return move.count == shape and [step for _, step in move.take] == [0, 0, 1] and move.put == Move.put

    def _by_pixels(self, builder, layouts):
        """`begin` where every pixel has the same operand.

        As many pixels at a time as it is repeated for, in the place of the last ones; where that is one pixel, it need
        not be repeated at all.
        """
        config, target, (move,) = builder.config, layouts[self.target], self.moves
        number = self.inner.sources.index(self.REPEATED)
        source, skip = layouts[self.inner.sources[1 - number]], self.inner.skip[1 - number]
        channels = target.channels
        # Nothing between the rows: one long row.
        flat = all(t.pitch == t.row_bytes for t in (source, target))
        lines, width = (1, target.height * target.width) if flat else (target.height, target.width)
        together = _together(config, channels, lines * width, width)

        def operand(address, pixels):
            return Layout(1, pixels, channels, base=address)

        repeated = layouts[move.source].address(*(first for first, _ in move.take[:2])) + move.take[2][0]
        pieces = []
        if together > 1:
            place = operand(target.address(lines - 1, width - together), together)
            once = {move.source: operand(repeated, 1), self.target: place}
            pieces += [Piece({move.source: Extent(layouts[move.source].height, channels)}, Extent(0, 0), piece.atoms)
                       for piece in self.copies(builder, once, [Move(move.source, (1, together, channels),
                                                                     ((0, 1), (0, 0), (0, 1)))])]
            repeated = place.base
        inner, limit = replace(self.inner, skip=(0, 0)), PIECE_CYCLES // 4 * config.cols
        for line in range(lines):
            start = begun = 0
            for stop in range(width % together or together, width + 1, together):
                made, read = operand(target.address(line, start), stop - start), source.address(line + skip, start)
                operands = [operand(read, stop - start), operand(repeated, stop - start)]
                atoms = [atom for piece in inner.pieces(builder, *(operands[::-1] if number == 0 else operands), made)
                         for atom in piece.atoms]
                last = line * width + stop
                needs = {self.inner.sources[1 - number]: Extent(-(-last // target.width) + skip, channels)}
                if together == 1:
                    needs[move.source] = Extent(layouts[move.source].height, channels)
                if start and (stop - begun) * channels <= limit:
                    atoms = pieces.pop().atoms + atoms
                else:
                    begun = start
                pieces.append(Piece(needs, Extent(last // target.width, 0), atoms))
                start = stop
        return pieces


def _together(config, channels, pixels, most):
    """For how many pixels, at most `most`, it pays to repeat an operand of `channels` bytes, if `pixels` take it."""
    def cycles(together):
        vectors = -(-channels * together // config.cols)
        instructions = 1 + (channels * together % config.cols > 0)
        repeating = config.vector_beats * vectors + _ISSUE_CYCLES * -(-channels // config.cols) + _LATENCY
        return (together > 1) * repeating + -(-pixels // together) * instructions * _ISSUE_CYCLES
    return min(range(1, most + 1), key=cycles)
