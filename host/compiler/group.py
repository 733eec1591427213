"""Consecutive layers that are executed together, in parts that fit the unified buffer: the cheapest way to cut them."""

import itertools
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from systolith.rtl.isa import Unit

from .box import Box
from .continued import ContinuedLayer
from .layout import PlanError
from .place import place, stored

__all__ = ["Group", "Part"]

#: What each layer of each part costs beside its work and its tensors, in bytes of instructions: about so much.
_LAYER_COST = 256

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
    number : int; of what other parts have left in the unified buffer only kept rows (`ContinuedLayer`) are used
    """
    layers: dict
    layouts: dict
    overlap: set
    writes: list
    reads: list
    boxes: dict = field(default_factory=dict)
    parts: int = 0
    number: int = 0


class _Cut(NamedTuple):
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
        """Rows from the first one that a `_Cut` held of a tensor to the first of this."""
        return self.held[tensor].rows[0] - before.held[tensor].rows[0]


def _cheapest(choices):
    """Of ways to execute something, as `Group.choose` gives them, the one that costs least, or None."""
    return min(filter(None, choices), key=lambda choice: choice[0], default=None)


def _missing(box, before):
    """A box without the rows that another one holds of it; but one row at least."""
    if before is None or before[1:] != box[1:] or not before.rows[0] <= box.rows[0] < before.rows[1]:
        return box
    return box._replace(rows=(min(before.rows[1], box.rows[1] - 1), box.rows[1]))


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
        cut = halves and self._cut(halves[0], {})
        return bool(cut) and all(box.channels != (0, self._shapes[tensor][2]) for tensor, box in cut.made.items())

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
                return self._cost(parts, channels), partial(self._placed, wanted, keep)
        return None

    def _placed(self, wanted, keep, may_overlap=True):
        """The parts that make these boxes, or None if one does not fit.

        With `keep` what a part needs of what the one before has made stays where it is, and so do inputs that all parts
        need alike.
        """
        cuts, held = [], {}
        for boxes in wanted:
            cut = self._cut(boxes, {t: held[t] for t in self._keepable} if keep and cuts else {})
            if cut is None:
                return None
            cuts.append(cut)
            held = cut.held
        resident = [t for t in self._inputs if keep and all(cut.held[t] == cuts[0].held[t] for cut in cuts)]
        fixed = self._fixed(cuts, resident)
        try:
            parts = [self._place(cut, fixed, may_overlap) for cut in cuts]
        except PlanError:
            return None
        for cut, (last, part) in zip(cuts[1:], itertools.pairwise(parts)):
            for tensor in fixed:
                old, new = last.layouts[tensor], part.layouts[tensor]
                if tensor in resident:
                    if new != old:
                        return None
                # Else kept rows would move to higher addresses, or to other padding.
                elif cut.kept(tensor) and (new.top > old.top or (new.left, new.right) != (old.left, old.right)):
                    return None
        if kept := fixed.keys() - resident:
            self._spread(cuts, parts, fixed, min(kept, key=fixed.get))
        for (before, cut), (last, part) in zip(itertools.pairwise(cuts), itertools.pairwise(parts)):
            part.writes = [t for t in part.writes if t not in resident]
            for i, layer in part.layers.items():
                tensor = layer.target
                if kept := cut.kept(tensor):
                    part.layers[i] = ContinuedLayer.of(layer, before=last.layouts[tensor], kept=kept,
                                                       first=cut.begins_after(before, tensor))
        for part in parts:
            part.parts = len(wanted) if len(wanted) > 1 else 0
        return parts

    def _fixed(self, cuts, resident):
        """Addresses, at the end of the unified buffer, of the tensors that stay from part to part: the `resident` ones, and
        below them those of which rows are kept; the one of which most is kept has the lowest."""
        config = self._config
        kept = dict.fromkeys(resident, 0)
        for cut in cuts:
            for tensor, box in cut.made.items():
                if rows := cut.kept(tensor):
                    kept[tensor] = kept.get(tensor, 0) + rows * box.volume // box.shape[0]
        address, fixed = config.unified_buffer_bytes - max(config.rows, config.cols), {}
        layouts = [stored(cut.shapes, cut.layers) for cut in cuts] if kept else []
        for tensor in sorted(kept, key=kept.get):
            address -= max(each[tensor].size for each in layouts)
            fixed[tensor] = address
        return fixed

    def _spread(self, cuts, parts, fixed, tensor):
        """Gives what memory is left to the lowest of the fixed tensors, so that its rows need not move each time."""
        end = max(part.layouts[tensor].base + part.layouts[tensor].size for part in parts)
        start = max(layout.base + layout.size for part in parts for t, layout in part.layouts.items() if t not in fixed)
        parts[0].layouts[tensor] = replace(parts[0].layouts[tensor], base=start)
        for (before, cut), (last, part) in zip(itertools.pairwise(cuts), itertools.pairwise(parts)):
            layout, base = part.layouts[tensor], start
            if cut.kept(tensor):
                # Where the rows that both have are the same bytes, if that is between.
                same = last.layouts[tensor].address(cut.begins_after(before, tensor)) - layout.origin
                base = same if start <= same <= end - layout.size else start
            part.layouts[tensor] = replace(layout, base=base)

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
                for place in ((row, column, channel) for channel, row, column
                              in itertools.product(range(channels), range(rows), range(columns)))]

    def _cut(self, wanted, before):
        """The `_Cut` of a part; None if the layers cannot be cut so.

        Parameters
        ----------
        wanted : dict from tensor to the Box that is to be made
        before : dict from tensor to the Box that the part before has left
        """
        held, made = dict(wanted), {}
        for layer in reversed(self._layers.values()):
            if layer.unit is None:
                held[layer.target] = Box.whole(self._shapes[layer.target])
            made[layer.target] = _missing(held[layer.target], before.get(layer.target))
            for source, box in layer.needs(made[layer.target], self._shapes).items():
                box = box.within(self._shapes[source])
                held[source] = held[source].hull(box) if source in held else box
        for layer in self._layers.values():
            for source, box in layer.needs(made[layer.target], self._shapes).items():
                box = box.within(self._shapes[source])
                if held[source].channels != box.channels or not (layer.slides or held[source].columns == box.columns):
                    return None
        return _Cut(held, made, {i: layer.part(made[layer.target], held) for i, layer in self._layers.items()})

    def _place(self, cut, fixed, may_overlap):
        """The part with its storage; a PlanError if it does not fit."""
        layouts, overlap = place(self._config, cut.shapes, cut.layers, [list(cut.layers)], self._outputs,
                                 not self._dump, may_overlap, fixed)
        boxes = {t: box for t, box in cut.held.items() if box != Box.whole(self._shapes[t])}
        return Part(dict(cut.layers), layouts, overlap, self._inputs, sorted(self._outputs), boxes)

    def _cost(self, parts, channels):
        """Bytes that cross the link and cycles of work, see `stream`; of layers whose channels are cut in so many pieces."""
        config = self._config
        moved = sum(part.layouts[t].size for part in parts for t in (*part.writes, *part.reads))
        work = len(parts) * len(self._layers) * _LAYER_COST
        for i, layer in self._layers.items():
            whole = Box.whole(self._shapes[layer.target]).volume
            # A tile takes `tile_beats` cycles to shift in, however few pixels there are.
            least = config.tile_beats if layer.unit is Unit.MATRIX else 1
            for part in parts:
                layout, kept = part.layouts[layer.target], part.layers[i].kept
                made = layout.height - kept
                work += self._work[i] * max(made * layout.width, least) * layout.channels / whole
                padding = (layout.size - layout.height * layout.row_bytes) * made / layout.height
                work += padding / config.cols * config.beats
                if part.layers[i].moves_kept(layout):
                    work += kept * layout.row_bytes / config.cols * config.vector_beats
        weights = sum(layer.weight_bytes for layer in self._layers.values())
        # Weights that do not all fit are sent again for each part; pieces of channels have their own.
        fit = weights / channels <= config.weight_memory_rows * config.cols
        again = 0 if fit else weights * (len(parts) / channels - 1)
        return moved + work + again
