"""Cuts a network whose tensors do not fit the unified buffer into parts that do; tensors in between stay on the host.

A group of consecutive layers is executed part by part: its outputs are cut into bands of rows, and into pieces of
channels if then nothing is made twice; each part computes what its bands need, from the rows of the group's inputs up.
So only the inputs and outputs of groups cross the link. Rows of a tensor that two bands need stay in the unified
buffer, which takes memory (`ContinuedLayer`), or are made twice; inputs that all parts need alike stay, too. A layer by
itself may also be cut by columns.
"""

from .group import Group
from .place import stored

__all__ = ["TooLarge", "stream"]

#: Most layers that are tried as one group, unless they are all that is left.
_MOST_LAYERS = 24


class TooLarge(ValueError):
    """Layers of which not even the smallest part fits; the message is one full sentence.

    Members
    -------
    operators : list of int
    """

    def __init__(self, operators, message):
        super().__init__(message)
        self.operators = operators


def stream(config, shapes, layers, run, readers, dump):
    """Cuts a run into parts so that the fewest bytes cross the link and the least work is done twice.

    Both are counted as one sum, as if the link took a byte a cycle.

    Parameters
    ----------
    config : Config
    shapes : dict from tensor number to (height, width, channels)
    layers : dict from operator number to Layer
    run : list of operator numbers
    readers : dict from tensor number to the set of operators that read it, or None for an output of the model
    dump : bool, whether all of every tensor is wanted, though nobody needs it, and nothing may be overwritten in place

    Returns
    -------
    list of Part, or int: an operator that only reshapes and is left to the host

    Errors
    ------
    TooLarge
        If a layer cannot be cut into parts that fit.
    """
    layouts = stored(shapes, {i: layers[i] for i in run})
    work = {i: layers[i].work(config, layouts) for i in run}

    def choice(start, stop):
        return Group(config, shapes, {i: layers[i] for i in run[start:stop]}, work, readers, dump).choose()

    alone = [choice(start, start + 1) for start in range(len(run))]
    if None in alone:
        raise TooLarge([i for i, found in zip(run, alone) if found is None],
                       "not even a part of its input and output fits the unified buffer")
    best = [(0, [])] + [None] * len(run)
    for start, single in enumerate(alone):
        # All that is left, if it fits; else not too much at once, as each try takes time.
        rest = choice(start, len(run)) if len(run) - start > _MOST_LAYERS else None
        for stop in range(start + 1, min(start + _MOST_LAYERS, len(run)) + 1):
            found = single if stop == start + 1 else choice(start, stop)
            if found is None:
                break
            _improve(best, start, stop, found)
        if rest is not None:
            _improve(best, start, len(run), rest)
    return [part for finish in best[-1][1] for part in finish()]


def _improve(best, start, stop, found):
    """Notes a way to execute run[start:stop] if with it everything before `stop` costs less."""
    cost = best[start][0] + found[0]
    if best[stop] is None or cost < best[stop][0]:
        best[stop] = cost, [*best[start][1], found[1]]
