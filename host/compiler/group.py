"""Consecutive layers that are executed together, in parts that fit the unified buffer: the cheapest way to cut them."""

import itertools
from dataclasses import dataclass, field, replace
from functools import partial

from .box import Box
from .continued import ContinuedLayer
from .cost import cost
from .cut import cut, grid
from .layout import PlanError
from .place import place, stored

__all__ = ["Group", "Part"]

#: Most pieces into which the columns and the channels of a layer are cut.
_MOST_PIECES = 64


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
    number : int; of what other parts have left in the unified buffer only kept rows (`ContinuedLayer`) and inputs that
        are not among `writes` are used
    """
    layers: dict
    layouts: dict
    overlap: set
    writes: list
    reads: list
    boxes: dict = field(default_factory=dict)
    parts: int = 0
    number: int = 0


def _cheapest(choices):
    """Of ways to execute something, as `Group.choose` gives them, the one that costs least, or None."""
    return min(filter(None, choices), key=lambda choice: choice[0], default=None)


class Group:
    """Consecutive layers that are executed together.

    Parameters
    ----------
    config : Config
    shapes : dict from tensor number to (height, width, channels)
    layers : dict from operator number to Layer
    work : dict from operator number to about how many cycles it takes, see `Layer.work`
    readers, dump
        As of `stream`.
    """

    def __init__(self, config, shapes, layers, work, readers, dump):
        self._config, self._shapes, self._layers, self._work, self._dump = config, shapes, layers, work, dump
        made, used = {m.target for m in layers.values()}, {s for layer in layers.values() for s in layer.sources}
        self._inputs = sorted(used - made)
        self._outputs = {t for t in made if not readers[t] or not readers[t] <= layers.keys()}
        self._goals = made if dump else self._outputs
        # Storage that has several names is nobody's to keep.
        self._keepable = made - {t for layer in layers.values() if layer.unit is None
                                 for t in (*layer.sources, layer.target)}

    def choose(self):
        """The cheapest way to execute it: (cost, function that gives the list of its Parts), or None."""
        if all(layer.unit is None for layer in self._layers.values()):
            return 0, partial(list, self._layers)
        pieces = [1 << k for k in range(_MOST_PIECES.bit_length())]
        if len(self._layers) == 1:
            return self._bands(1, 1) or _cheapest(self._bands(columns, channels) for columns, channels
                                                  in itertools.product(pieces, pieces)
                                                  if 1 < columns * channels <= _MOST_PIECES)
        choice = None
        for channels in pieces if self._channelwise() else [1]:
            ways = [False, True] if self._config.has_vector and not self._dump else [False]
            found = _cheapest(self._bands(1, channels, keep) for keep in ways)
            if choice and (not found or found[0] >= choice[0]):
                break
            choice = found or choice
        return choice

    def _channelwise(self):
        """Whether the layers can be cut by channels, so that nothing is made twice."""
        halves = self._wanted(1, 1, 2)
        half = halves and cut(self._layers, self._shapes, halves[0])
        return bool(half) and all(box.channels != (0, self._shapes[tensor][2]) for tensor, box in half.made.items())

    def _wanted(self, rows, columns, channels):
        """The boxes that each part is to make, as `grid` gives them."""
        return grid({t: self._shapes[t] for t in self._goals}, rows, columns, channels, self._config.cols)

    def _bands(self, columns, channels, keep=False):
        """`choose` with the fewest bands of rows, with columns and channels cut as given."""
        def whole(rows):
            boxes = self._wanted(rows, columns, channels)
            middle = rows * columns // 2
            return boxes and self._placed(boxes[max(0, middle - keep):middle + 1], keep, may_overlap=False)

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
            parts = self._placed(wanted, keep, may_overlap=False)
            if parts:
                total = cost(self._config, self._shapes, self._layers, self._work, parts, channels)
                return total, partial(self._placed, wanted, keep)
        return None

    def _placed(self, wanted, keep, may_overlap=True):
        """The parts that make these boxes, or None if one does not fit.

        With `keep` what a part needs of what the one before has made stays where it is, and so do inputs that all parts
        need alike.
        """
        cuts, held = [], {}
        for boxes in wanted:
            before = {t: held[t] for t in self._keepable} if keep and cuts else {}
            found = cut(self._layers, self._shapes, boxes, before)
            if found is None:
                return None
            cuts.append(found)
            held = found.held
        resident, fixed = self._fixed(cuts) if keep else ([], {})
        try:
            parts = [self._place(c, fixed, may_overlap) for c in cuts]
        except PlanError:
            return None
        kept = fixed.keys() - resident
        for now, (last, part) in zip(cuts[1:], itertools.pairwise(parts)):
            for tensor in filter(now.kept, kept):
                old, new = last.layouts[tensor], part.layouts[tensor]
                # Else kept rows would move to higher addresses, or to other padding.
                if new.top > old.top or (new.left, new.right) != (old.left, old.right):
                    return None
        if kept:
            self._spread(cuts, parts, fixed, min(kept, key=fixed.get))
        for (before, now), (last, part) in zip(itertools.pairwise(cuts), itertools.pairwise(parts)):
            part.writes = [t for t in part.writes if t not in resident]
            for i, layer in part.layers.items():
                tensor = layer.target
                if kept := now.kept(tensor):
                    part.layers[i] = ContinuedLayer.of(layer, before=last.layouts[tensor], kept=kept,
                                                       first=now.begins_after(before, tensor))
        for part in parts:
            part.parts = len(wanted) if len(wanted) > 1 else 0
        return parts

    def _fixed(self, cuts):
        """What stays from part to part: the inputs that all parts need alike, and the addresses of these, at the end of
        the unified buffer, and, below them, of tensors of which rows are kept; the one of which most is has the lowest.
        """
        config = self._config
        layouts = [stored(now.shapes, now.layers) for now in cuts]
        resident = [t for t in self._inputs if all(now.held[t] == cuts[0].held[t] and each[t] == layouts[0][t]
                                                   for now, each in zip(cuts, layouts))]
        kept = dict.fromkeys(resident, 0)
        for now in cuts:
            for tensor, box in now.made.items():
                if rows := now.kept(tensor):
                    kept[tensor] = kept.get(tensor, 0) + rows * box.volume // box.shape[0]
        address, fixed = config.unified_buffer_bytes - max(config.rows, config.cols), {}
        for tensor in sorted(kept, key=kept.get):
            address -= max(each[tensor].size for each in layouts)
            fixed[tensor] = address
        return resident, fixed

    def _spread(self, cuts, parts, fixed, tensor):
        """Gives what memory is left to the lowest of the fixed tensors, so that its rows need not move each time."""
        end = max(part.layouts[tensor].base + part.layouts[tensor].size for part in parts)
        start = max(layout.base + layout.size for part in parts for t, layout in part.layouts.items() if t not in fixed)
        parts[0].layouts[tensor] = replace(parts[0].layouts[tensor], base=start)
        for (before, now), (last, part) in zip(itertools.pairwise(cuts), itertools.pairwise(parts)):
            layout, base = part.layouts[tensor], start
            if now.kept(tensor):
                # Where the rows that both have are the same bytes, if that is between.
                same = last.layouts[tensor].address(now.begins_after(before, tensor)) - layout.origin
                base = same if start <= same <= end - layout.size else start
            part.layouts[tensor] = replace(layout, base=base)

    def _place(self, now, fixed, may_overlap):
        """The part of a `Cut` with its storage; a PlanError if it does not fit."""
        layouts, overlap = place(self._config, now.shapes, now.layers, [list(now.layers)], self._outputs,
                                 not self._dump, may_overlap, fixed)
        boxes = {t: box for t, box in now.held.items() if box != Box.whole(self._shapes[t])}
        return Part(dict(now.layers), layouts, overlap, self._inputs, sorted(self._outputs), boxes)
