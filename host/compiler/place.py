"""Gives every tensor of a network, or of a part of one, its storage in the unified buffer."""

import itertools
from dataclasses import replace

from .layer import Padding
from .layout import Interval, Layout, PlanError, plan
from .vector import ElementwiseLayer

__all__ = ["place", "stored"]


def stored(shapes, layers):
    """Layout of each tensor by itself, without an address: with the padding that all its readers need."""
    return _layouts(shapes, layers, {t: t for layer in layers.values() for t in (*layer.sources, layer.target)})


def place(config, shapes, layers, runs, leaving, in_place=True, may_overlap=True, fixed=None):
    """Layout of every tensor on the chip, and which layers may overlap.

    Parameters
    ----------
    config : Config
    shapes : dict from tensor number to (height, width, channels)
    layers : dict from operator number to Layer
    runs : list of lists of operator numbers, in the order of execution; tensors stay in the buffer between them
    leaving : set of tensor numbers that the host reads after the run that makes them
    in_place : bool, whether an element-wise layer may overwrite an operand that nobody needs any more; where that does
        not fit, as the operand gets the result's padding, it may not
    may_overlap : bool, whether to find out which layers may overlap
    fixed : dict from tensor number to address, of tensors that have their place by themselves, above all others

    Returns
    -------
    dict from tensor number to `Layout`
    set of operator numbers
        Those that may begin while the one before them in the run is unfinished.

    Errors
    ------
    PlanError
        If the tensors do not fit, even if no layers overlap.
    """
    fixed = fixed or {}
    if in_place:
        storage = _storage(shapes, layers, leaving, fixed, True)
        try:
            return _place(config, shapes, layers, runs, leaving, storage, may_overlap, fixed)
        except PlanError:
            pass
    storage = _storage(shapes, layers, leaving, fixed, False)
    return _place(config, shapes, layers, runs, leaving, storage, may_overlap, fixed)


def _place(config, shapes, layers, runs, leaving, storage, may_overlap, fixed):
    layouts = _layouts(shapes, layers, storage)
    first, last = _lives(layers, storage, runs, leaving)
    # A vector that begins in the last tensor may end behind it.
    capacity = min(fixed.values(), default=config.unified_buffer_bytes - max(config.rows, config.cols))
    ahead = {after: before for run in runs
             for before, after in itertools.pairwise(i for i in run if layers[i].unit is not None)}
    overlap = set(ahead) if may_overlap else set()
    while True:
        # What a layer uses keeps its place until the layer that overlaps it is done.
        extended = {t: max([last[t], *(j for j in overlap if ahead[j] == last[t])]) for t in last}
        intervals = [Interval(t, layouts[t].size, first[t], extended[t]) for t in last if t not in fixed]
        try:
            addresses = plan(intervals, capacity) | fixed
            break
        except PlanError:
            if not overlap:
                raise
            overlap.remove(max(overlap, key=lambda j: sum(i.size for i in intervals if i.first <= j <= i.last)))
    placed = {tensor: replace(layouts[root], base=addresses[root], **_size(shapes[tensor]))
              for tensor, root in storage.items()}
    return placed, overlap


def _size(shape):
    return dict(zip(("height", "width", "channels"), shape))


def _storage(shapes, layers, leaving, fixed, in_place):
    """For each tensor the one whose storage it shares: itself, a reshaped operator's input, or an operand that an
    element-wise operator may overwrite because nobody needs it afterwards."""
    storage = {t: t for layer in layers.values() for t in (*layer.sources, layer.target)}
    padded = {source for layer in layers.values() for source, padding in layer.padding.items() if padding != Padding()}
    produced = {layer.target for layer in layers.values()}
    for index in sorted(layers):
        layer = layers[index]
        if layer.unit is None:
            storage[layer.target] = storage[layer.sources[0]]
        elif in_place and isinstance(layer, ElementwiseLayer):
            for source in layer.sources:
                users = [other for other in layers.values() if source in other.sources]
                if (source in produced - leaving - padded - fixed.keys() and layer.target not in fixed
                        and storage[source] == source and len(users) == 1
                        and layer.sources.count(source) == 1 and shapes[source] == shapes[layer.target]):
                    storage[layer.target] = source
                    break
    return storage


def _layouts(shapes, layers, storage):
    """Layout of every storage with the padding that all its readers need, without an address."""
    padding = dict.fromkeys(storage.values(), Padding())
    for layer in layers.values():
        for source, need in layer.padding.items():
            have = padding[storage[source]]
            sides = {side: max(getattr(have, side), getattr(need, side)) for side in ("top", "bottom", "left", "right")}
            padding[storage[source]] = Padding(**sides, fill=have.fill if need.fill is None else need.fill)
    return {t: Layout(**_size(shapes[t]), top=p.top, bottom=p.bottom, left=p.left, right=p.right, fill=p.fill or 0)
            for t, p in padding.items()}


def _lives(layers, storage, runs, leaving):
    """First and last operator during which each storage must keep its place."""
    uses = {}
    for run in runs:
        inside = {layers[i].target for i in run}
        for index in run:
            layer = layers[index]
            for source in layer.sources:
                # What the host writes must have its place from the start of the run.
                uses.setdefault(storage[source], []).extend([index] if source in inside else [run[0], index])
            uses.setdefault(storage[layer.target], []).append(index)
            if layer.target in leaving:
                uses[storage[layer.target]].append(run[-1])
    return {t: min(u) for t, u in uses.items()}, {t: max(u) for t, u in uses.items()}
