"""Layers of which the part of the network before has made the first rows."""

from dataclasses import dataclass, replace

from systolith.rtl.isa import Unit

from .layer import Extent, Layer
from .layout import Layout
from .move import Move, MoveLayer

__all__ = ["ContinuedLayer"]

#: Stands for the target as the part before has left it.
_BEFORE = -1


@dataclass
class ContinuedLayer(Layer):
    """Moves the last rows of its target's storage, which the part before has made, to the front of the new one, if they
    are not there; then makes the others.

    Both parts store the target with the same padding left and right, a number of whole rows apart, the new one not
    above what is kept of the old one.

    Members
    -------
    inner : Layer that makes the rows from `kept` on
    before : Layout of the target in the part before
    first : int, row there that is now the first
    kept : int, number of rows that are kept
    """
    inner: Layer = None
    before: Layout = None
    first: int = 0
    kept: int = 0

    @classmethod
    def of(cls, inner, **members):
        """As `inner`, with these members."""
        return cls(inner.name, inner.kind, inner.unit, inner.sources, inner.target, inner.macs, inner.padding, inner,
                   **members)

    def moves_kept(self, target):
        return self.before.address(self.first) != target.address(0)

    def begin(self, builder, layouts):
        target = layouts[self.target]
        if self.moves_kept(target):
            move = Move(_BEFORE, (self.kept, target.width, target.channels), ((self.first, 1), (0, 1), (0, 1)))
            there = replace(target, height=self.kept, bottom=0)
            pieces = MoveLayer("", "", Unit.VECTOR, [_BEFORE], self.target).copies(
                builder, {_BEFORE: self.before, self.target: there}, [move])
            # Before all else, as padding may be written where rows are now.
            for piece in pieces:
                for atom in piece.atoms:
                    atom()
            if self.before.base != target.base:
                # Beside rows that have not been there before.
                builder.fill_padding(there)
        pieces = self.inner.begin(builder, {**layouts, self.target: target.from_row(self.kept)})
        for piece in pieces:
            piece.makes = Extent(piece.makes.rows and piece.makes.rows + self.kept, piece.makes.channels)
        return pieces
