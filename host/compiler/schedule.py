"""In which order the layers' pieces are emitted, so that array and vector unit work at the same time."""

from collections import deque

from systolith.rtl.isa import Unit

from .layer import Extent

__all__ = ["schedule"]


class _Progress:
    """A layer that has begun: the pieces that are left."""

    def __init__(self, index, layer, pieces):
        self.index, self.layer, self.pieces, self.count = index, layer, deque(pieces), len(pieces)


def schedule(builder, layers, layouts, overlap, done):
    """Emits the layers of a run.

    Units work in order, and so does the fetch of weights for all of them. A layer of the vector unit and the layer of
    the array before or after it therefore only overlap if their pieces alternate. Two neighbouring layers at a time
    do so, a piece of each atom by atom: parameter sets that wait for a free slot hold up no more than a tile.

    Parameters
    ----------
    builder : Builder
    layers : list of (operator number, Layer)
    layouts : dict from tensor number to `Layout`
    overlap : set of operator numbers that may begin while the layer before them is unfinished: the memory plan keeps
        what that one needs
    done : callable (Layer)
        Called when all pieces of a layer have been emitted, in the order of completion.
    """
    waiting, active, latest = deque(layers), [], None
    made = {}  # tensor to its extent before and after its last piece
    while waiting or active:
        # A layer that fell behind the next one must not fall behind two: the memory plan keeps nothing so long.
        while waiting and (not active or ([one.index for one in active] == [latest] and waiting[0][0] in overlap)):
            index, layer = waiting.popleft()
            latest = index
            builder.owner = index
            for atom in layer.prepare(builder, layouts):
                builder.attempt(atom)
            active.append(_Progress(index, layer, layer.begin(builder, layouts)))
            made[layer.target] = (Extent(0, 0), Extent(0, 0))
        first, last = active[0], active[-1]
        together = last is not first and _may_advance(first, last, layouts, made)
        chosen, atoms = [last, first] if together else [first], []
        for one in chosen:
            if one.pieces:
                piece = one.pieces.popleft()
                atoms += [(k / len(piece.atoms), one.index, atom) for k, atom in enumerate(piece.atoms)]
                made[one.layer.target] = (made[one.layer.target][1], piece.makes)
        for _, builder.owner, atom in sorted(atoms, key=lambda entry: entry[0]):
            builder.attempt(atom)
        for one in reversed(chosen):
            if not one.pieces:
                builder.owner = one.index
                layout = layouts[one.layer.target]
                made[one.layer.target] = (Extent(layout.height, layout.channels),) * 2
                active.remove(one)
                done(one.layer)


def _may_advance(first, last, layouts, made):
    """Whether the next piece of the later layer need not come after the next one of the earlier layer."""
    if first.layer.unit is last.layer.unit:
        return False
    if first.layer.target not in last.layer.sources and last.pieces:
        return len(last.pieces) * first.count > len(first.pieces) * last.count  # side by side
    # The array follows a piece behind: its weights would else stand before the vector unit's in the queue for weights.
    behind = last.layer.unit is Unit.MATRIX
    return all(source not in made or _holds(made[source][0 if behind else 1], need, layouts[source])
               for source, need in last.pieces[0].needs.items())


def _holds(have, need, layout):
    # One row at least, even for what reads padding alone: its first piece may be what writes that.
    return have.rows >= max(1, min(need.rows, layout.height)) or have.channels >= need.channels
