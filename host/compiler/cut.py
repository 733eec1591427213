"""How a group of layers is cut into parts: what each of them makes, and what it needs for that."""

import itertools
from typing import NamedTuple

from .box import Box

__all__ = ["Cut", "cut", "grid"]


class Cut(NamedTuple):
    """What a part of a group takes.

    Members
    -------
    held : dict from tensor number to the Box that is in the unified buffer
    made : dict from tensor number to the Box of it that the part makes; the rows before are there
    layers : dict from operator number to Layer
    """
    held: dict
    made: dict
    layers: dict

    @property
    def shapes(self):
        """Of what is held."""
        return {tensor: box.shape for tensor, box in self.held.items()}

    def kept(self, tensor):
        """Rows of a tensor that are there before."""
        return self.made[tensor].rows[0] - self.held[tensor].rows[0]

    def begins_after(self, before, tensor):
        """Rows from the first one that a `Cut` held of a tensor to the first of this."""
        return self.held[tensor].rows[0] - before.held[tensor].rows[0]


def grid(shapes, rows, columns, channels, align):
    """Tensors in so many bands of rows, pieces of columns and pieces of channels.

    Parameters
    ----------
    shapes : dict from tensor number to (height, width, channels)
    rows, columns, channels : int
    align : int, of which the first channels of pieces are multiples

    Returns
    -------
    list of dict from tensor number to Box
        Those of a piece of channels one behind the other, from the top down. None if there is less to cut than pieces.
    """
    def edges(size, pieces, step=1):
        blocks = -(-size // step)
        if blocks < pieces:
            return None
        return list(itertools.pairwise(min(size, blocks * k // pieces * step) for k in range(pieces + 1)))

    axes = {t: (edges(height, rows), edges(width, columns), edges(depth, channels, align))
            for t, (height, width, depth) in shapes.items()}
    if any(None in axis for axis in axes.values()):
        return None
    return [{t: Box(ys[row], xs[column], cs[channel]) for t, (ys, xs, cs) in axes.items()}
            for channel, row, column in itertools.product(range(channels), range(rows), range(columns))]


def cut(layers, shapes, wanted, before=None):
    """The `Cut` of a part; None if the layers cannot be cut so.

    Parameters
    ----------
    layers : dict from operator number to Layer
    shapes : dict from tensor number to (height, width, channels)
    wanted : dict from tensor to the Box that is to be made
    before : dict from tensor to the Box that the part before has left
    """
    before, held, made = before or {}, dict(wanted), {}
    for layer in reversed(layers.values()):
        if layer.unit is None:
            held[layer.target] = Box.whole(shapes[layer.target])
        made[layer.target] = _missing(held[layer.target], before.get(layer.target))
        for source, box in layer.needs(made[layer.target], shapes).items():
            box = box.within(shapes[source])
            held[source] = held[source].hull(box) if source in held else box
    for layer in layers.values():
        for source, box in layer.needs(made[layer.target], shapes).items():
            box = box.within(shapes[source])
            if held[source].channels != box.channels or not (layer.slides or held[source].columns == box.columns):
                return None
    return Cut(held, made, {i: layer.part(made[layer.target], held) for i, layer in layers.items()})


def _missing(box, before):
    """A box without the rows that another one holds of it; but one row at least."""
    if before is None or before[1:] != box[1:] or not before.rows[0] <= box.rows[0] < before.rows[1]:
        return box
    return box._replace(rows=(min(before.rows[1], box.rows[1] - 1), box.rows[1]))
