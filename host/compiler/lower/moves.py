"""Which moves make up an operator that only moves elements, or that broadcasts an operand."""

import itertools
import math

import numpy as np
from systolith.host.operators import evaluate

from ..layout import image_shape
from ..move import Move

__all__ = ["broadcast", "concatenation", "origin", "picked", "selected"]

#: Most moves that an operator may take: each is an instruction or more for every few rows.
_MOST_MOVES = 64

#: Steps, along y and x, at which the elements of the target may belong to one move.
_STEPS = tuple(itertools.product(range(1, 5), repeat=2))


def concatenation(shapes, sources, axis):
    """Moves that put tensors one after the other.

    Parameters
    ----------
    shapes : list of shapes of the sources
    sources : list of their tensor numbers
    axis : int

    Returns
    -------
    list of Move, or None if along the axis the parts are in more than one piece
    """
    rank = len(shapes[0])
    image_axis = axis % rank + 3 - rank
    if image_axis < 0 or any(size != 1 for size in shapes[0][:-3]):
        return None
    moves, start = [], 0
    for source, shape in zip(sources, map(image_shape, shapes)):
        put = tuple((start if place == image_axis else 0, 1) for place in range(3))
        moves.append(Move(source, shape, put=put))
        start += shape[image_axis]
    return moves


def broadcast(source, shape, target):
    """The move that repeats an operand over a result of another shape.

    Returns
    -------
    Move, or None if it is repeated over the channels, too, or over more than one image
    """
    small, large = image_shape((1,) * (len(target) - len(shape)) + tuple(shape)), image_shape(target)
    fits = all(have in (1, want) for have, want in zip(small, large)) and small[2] == large[2]
    if not fits or any(size != 1 for size in target[:-3]):
        return None
    return Move(source, large, tuple((0, int(have == want)) for have, want in zip(small, large)))


def origin(graph, operator, source, target):
    """Of an operator each of whose outputs' elements is one of its input's: which one, as an array of target's shape.

    Its function on the host tells, whichever the operator is: it is given the elements' places instead of their values.

    Parameters
    ----------
    source, target : Tensor
    """
    places = np.arange(math.prod(source.shape), dtype=np.int64)
    found = np.zeros(target.shape, np.int64)
    for shift in range(0, max(1, len(places) - 1).bit_length(), 7):  # an int8 holds seven bits
        digit = (places >> shift & 127).astype(np.int8).reshape(source.shape)
        found |= evaluate(graph, operator, {source.index: digit})[0].astype(np.int64) << shift
    return found


def picked(elements, source):
    """Moves that make a tensor of single elements of another.

    Parameters
    ----------
    elements : array, as `origin` gives it
    source : Tensor

    Returns
    -------
    list of Move, or None if it takes too many
    """
    elements, shape = elements.reshape(image_shape(elements.shape)), image_shape(source.shape)
    choices = (_grids(elements, shape, steps, source.index) for steps in _STEPS)
    return min((moves for moves in choices if moves), key=len, default=None)


def selected(elements, shape):
    """Which channels of its input each pixel takes, if all take the same and of their own pixel; else None.

    Parameters
    ----------
    elements : array, as `origin` gives it
    shape : of the source
    """
    if not elements.shape or not shape or elements.shape[:-1] != tuple(shape[:-1]):
        return None
    channels = elements.reshape(-1, elements.shape[-1]) - np.arange(math.prod(shape[:-1]))[:, None] * shape[-1]
    same = (channels == channels[0]).all() and (channels[0] >= 0).all() and (channels[0] < shape[-1]).all()
    return channels[0] if same else None


def _grids(origin, shape, steps, source):
    """`picked` with moves that put elements at these steps, or None."""
    _, width, channels = shape
    moves = []
    for y, x in itertools.product(*map(range, steps)):
        part = origin[y::steps[0], x::steps[1]]
        # Of channels that lie side by side in the source: if they are a product of ranges of rows and columns there,
        # the first row and the first column tell which.
        for c in itertools.pairwise((*_sides(part[0, 0] % channels), part.shape[2])) if part.size else ():
            rows, columns = _runs(part[:, 0, c[0]] // (width * channels)), _runs(part[0, :, c[0]] // channels % width)
            if len(moves) + len(rows) * len(columns) > _MOST_MOVES:
                return None
            for (y0, height, *take_y), (x0, length, *take_x) in itertools.product(rows, columns):
                moves.append(Move(source, (height, length, c[1] - c[0]),
                                  (tuple(take_y), tuple(take_x), (int(part[0, 0, c[0]] % channels), 1)),
                                  ((y + y0 * steps[0], steps[0]), (x + x0 * steps[1], steps[1]), (c[0], 1))))
    return moves if _made(moves, shape, origin.shape, origin) else None


def _sides(values):
    """Where in a list of channels those begin that follow each other."""
    return [0, *(int(n) + 1 for n in np.flatnonzero(np.diff(values) != 1))]


def _runs(values):
    """Runs of equal, non-negative steps: (place of the first, number, first value, step)."""
    runs, place = [], 0
    differences = np.diff(values)
    while place < len(values):
        step, count = 1, 1
        if place < len(differences) and differences[place] >= 0:
            step = int(differences[place])
            same = differences[place:] == step
            count = 1 + (len(same) if same.all() else int(same.argmin()))
        runs.append((place, count, int(values[place]), step))
        place += count
    return runs


def _made(moves, shape, target, origin):
    """Whether moves make exactly that of a source, whose elements are their own places."""
    elements, made = np.arange(math.prod(shape)).reshape(shape), np.full(target, -1)
    for move in moves:
        taken, put = (np.ix_(*(first + step * np.arange(size) for size, (first, step) in zip(move.count, places)))
                      for places in (move.take, move.put))
        made[put] = elements[taken]
    return np.array_equal(made, origin)
