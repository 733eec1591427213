"""Cuts a network whose tensors do not fit the unified buffer into parts that do; tensors in between stay on the host.

A group of consecutive layers is executed part by part: its outputs are cut into bands of rows, and each part computes
what its bands need, from the rows of the group's inputs up (rows on the border of two bands twice). So only the inputs
and outputs of groups cross the link. A layer by itself may also be cut by columns and by output channels.
"""

import itertools
from dataclasses import dataclass, field
from functools import partial

from .box import Box
from .layout import PlanError
from .place import place

__all__ = ["Part", "TooLarge", "stream"]

#: What each layer of each part costs beside its work and its tensors, in bytes of instructions: about so much.
_LAYER_COST = 256

#: Most layers that are tried as one group, unless they are all that is left.
_MOST_LAYERS = 24

#: Most pieces into which the columns and the channels of a layer are cut.
_MOST_PIECES = 64


class TooLarge(ValueError):
    """Layers of which not even the smallest part fits; the message is one full sentence.

    Members
    -------
    operators : list of int
    """

    def __init__(self, operators, message):
        super().__init__(message)
        self.operators = operators


@dataclass
class Part:
    """Layers, or parts of layers, that the chip executes one after the other.

    Members
    -------
    layers : dict from operator number to Layer, in the order of execution
    layouts, overlap
        As `place` gives them.
    writes : list of tensor numbers that the host writes before
    reads : list of tensor numbers that it reads afterwards
    boxes : dict from tensor number to the `Box` of it that takes part; whole tensors are left out
    parts : int, number of parts that make up the layers; 0 if this is all of them
    number : int; parts of different numbers leave each other nothing in the unified buffer
    """
    layers: dict
    layouts: dict
    overlap: set
    writes: list
    reads: list
    boxes: dict = field(default_factory=dict)
    parts: int = 0
    number: int = 0


def stream(config, shapes, layers, run, kept, dump):
    """Cuts a run into parts so that the fewest bytes cross the link and the least work is done twice.

    Both are counted as one sum, as if the link took a byte a cycle.

    Parameters
    ----------
    config : Config
    shapes : dict from tensor number to (height, width, channels)
    layers : dict from operator number to Layer
    run : list of operator numbers
    kept : dict from tensor number to the set of operators that read it, or None for an output of the model
    dump : bool, whether all of every tensor is wanted, though nobody needs it, and nothing may be overwritten in place

    Returns
    -------
    list of Part, or int: an operator that only reshapes and is left to the host

    Errors
    ------
    TooLarge
        If a layer cannot be cut into parts that fit.
    """
    def choice(start, stop):
        return _Group(config, shapes, {i: layers[i] for i in run[start:stop]}, kept, dump).choose()

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


class _Group:
    """Consecutive layers that are executed together."""

    def __init__(self, config, shapes, layers, kept, dump):
        self._config, self._shapes, self._layers, self._dump = config, shapes, layers, dump
        made, used = {m.target for m in layers.values()}, {s for layer in layers.values() for s in layer.sources}
        self._inputs = sorted(used - made)
        self._outputs = {t for t in made if not kept[t] or not kept[t] <= layers.keys()}
        self._goals = made if dump else self._outputs

    def choose(self):
        """The cheapest way to execute it: (cost, function that gives a list as `stream` does), or None."""
        if all(layer.unit is None for layer in self._layers.values()):
            return 0, partial(list, self._layers)
        choice = self._bands(1, 1)
        if choice is None and len(self._layers) == 1:
            pieces = [1 << k for k in range(_MOST_PIECES.bit_length())]
            choices = [self._bands(c, n) for c, n in itertools.product(pieces, pieces) if 1 < c * n <= _MOST_PIECES]
            choice = min((c for c in choices if c is not None), key=lambda c: c[0], default=None)
        return choice

    def _bands(self, columns, channels):
        """`choose` with the fewest bands of rows, with columns and channels cut as given."""
        def whole(rows):
            boxes = self._wanted(rows, columns, channels)
            return boxes and self._place(boxes[len(boxes) // 2], may_overlap=False)

        least = 1
        most = height = min(self._shapes[t][0] for t in self._goals)
        if not whole(most):
            return None
        while least < most:  # bisection: parts of fewer bands are larger
            middle = (least + most) // 2
            least, most = (least, middle) if whole(middle) else (middle + 1, most)
        for rows in range(least, height + 1):
            wanted = self._wanted(rows, columns, channels)
            # Which layers may overlap takes longest to find out, and matters to what is chosen in the end only.
            parts = self._placed(wanted, may_overlap=False)
            if parts:
                return self._cost(parts), partial(self._placed, wanted)
        return None

    def _placed(self, wanted, may_overlap=True):
        """The parts that make these boxes, or None if one does not fit."""
        parts = []
        for boxes in wanted:
            part = self._place(boxes, may_overlap)
            if part is None:
                return None
            part.parts = len(wanted) if len(wanted) > 1 else 0
            parts.append(part)
        return parts

    def _wanted(self, rows, columns, channels):
        """The boxes that each part is to make, as dicts by tensor, or None if there is less to cut than pieces."""
        def edges(size, pieces, step=1):
            blocks = -(-size // step)
            if blocks < pieces:
                return None
            return list(itertools.pairwise(min(size, blocks * k // pieces * step) for k in range(pieces + 1)))

        axes = {t: (edges(height, rows), edges(width, columns), edges(depth, channels, self._config.cols))
                for t in self._goals for height, width, depth in [self._shapes[t]]}
        if any(None in axis for axis in axes.values()):
            return None
        return [{t: Box(*(axis[k] for axis, k in zip(axes[t], place))) for t in axes}
                for place in itertools.product(range(rows), range(columns), range(channels))]

    def _hold(self, wanted):
        """The box of each tensor that a part has to hold; None if the layers cannot be cut so."""
        held = dict(wanted)
        for layer in reversed(self._layers.values()):
            if layer.unit is None:
                held[layer.target] = Box.whole(self._shapes[layer.target])
            for source, box in layer.needs(held[layer.target], self._shapes).items():
                box = box.within(self._shapes[source])
                held[source] = held[source].hull(box) if source in held else box
        for layer in self._layers.values():
            for source, box in layer.needs(held[layer.target], self._shapes).items():
                box = box.within(self._shapes[source])
                if held[source].channels != box.channels or not (layer.slides or held[source].columns == box.columns):
                    return None
        return held

    def _place(self, wanted, may_overlap=True):
        """The part that makes some boxes, or None if it does not fit."""
        held = self._hold(wanted)
        if held is None:
            return None
        layers = {i: layer.part(held[layer.target], held) for i, layer in self._layers.items()}
        try:
            layouts, overlap = place(self._config, {t: box.shape for t, box in held.items()}, layers, [list(layers)],
                                     self._outputs, not self._dump, may_overlap)
        except PlanError:
            return None
        boxes = {t: box for t, box in held.items() if box != Box.whole(self._shapes[t])}
        return Part(layers, layouts, overlap, self._inputs, sorted(self._outputs), boxes)

    def _cost(self, parts):
        """See `stream`."""
        config = self._config
        moved = sum(part.layouts[t].size for part in parts for t in (*part.writes, *part.reads))
        work = len(parts) * len(self._layers) * _LAYER_COST
        for layer in self._layers.values():
            whole = Box.whole(self._shapes[layer.target]).volume
            volume = sum(part.boxes[layer.target].volume if layer.target in part.boxes else whole for part in parts)
            work += max(layer.macs / config.macs, whole / config.requantise_lanes) * volume / whole
        weights = sum(layer.weight_bytes for layer in self._layers.values())
        # Weights that do not all fit are sent again for each part.
        again = weights * (len(parts) - 1) if weights > config.weight_memory_rows * config.cols else 0
        return moved + work + again
