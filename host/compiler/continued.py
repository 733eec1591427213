"""Layers of which the part of the network before has made the first rows."""

from dataclasses import dataclass, replace
from functools import partial

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

    def prepare(self, builder, layouts):
        target = layouts[self.target]
        if not self.moves_kept(target):
            return self.inner.prepare(builder, self._made(layouts))
        move = Move(_BEFORE, (self.kept, target.width, target.channels), ((self.first, 1), (0, 1), (0, 1)))
        pieces = MoveLayer("", "", Unit.VECTOR, [_BEFORE], self.target).copies(
            builder, {_BEFORE: self.before, self.target: self._there(target)}, [move])
        return [atom for piece in pieces for atom in piece.atoms]

    def begin(self, builder, layouts):
        target, made = layouts[self.target], self._made(layouts)
        pieces = self.inner.begin(builder, made)
        for piece in pieces:
            piece.makes = Extent(piece.makes.rows and piece.makes.rows + self.kept, piece.makes.channels)
        if self.moves_kept(target):
            # Padding is written where the rows were: the activation unit would wait for the moves before it is needed.
            padding = self.inner.prepare(builder, made)
            if self.before.base != target.base:
                # Beside rows that have not been there before.
                padding.insert(0, partial(builder.fill_padding, self._there(target)))
            pieces[0].atoms = padding + pieces[0].atoms
        return pieces

    def _there(self, target):
        """The kept rows in the target's storage."""
        return replace(target, height=self.kept, bottom=0)

    def _made(self, layouts):
        """Layouts as the inner layer sees them: of the target the rows that it makes."""
        return {**layouts, self.target: layouts[self.target].from_row(self.kept)}
