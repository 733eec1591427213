"""From a graph to a program: which operators the chip takes, where tensors lie, and what is executed when."""

import itertools
from dataclasses import replace

import numpy as np
from systolith.host.graph import ModelError
from systolith.host.operators import SUPPORTED
from systolith.host.program import Dump, LayerInfo, Program, Step
from systolith.rtl.isa import Unit

from .builder import Builder, CapacityError
from .layer import Padding
from .layout import Interval, Layout, PlanError, plan
from .lower import OnHost, image_shape, lower
from .schedule import schedule
from .vector import ElementwiseLayer

__all__ = ["compile_graph"]


def compile_graph(graph, config, dump=False):
    """Compiles a model.

    Parameters
    ----------
    graph : Graph
    config : Config
    dump : bool
        Whether the program sends every operator's output to the host as soon as it is there (for `--check`).

    Returns
    -------
    Program

    Errors
    ------
    ModelError
        If the model does not fit the configuration, or has an operator that neither chip nor host can execute.
    """
    layers, reasons = _choose(graph, config)
    for operator in graph.operators:
        if operator.index in reasons and operator.kind not in SUPPORTED:
            raise ModelError(f"{graph.name}: operator {operator.index} ({operator.kind}) is not supported")
    # A tensor that is sent to the host must not be overwritten in place before.
    storage = _storage(graph, layers, in_place=not dump)
    segments = _segments(graph, layers)
    try:
        layouts, overlap = _place(graph, config, layers, storage, segments)
        return _emit(graph, config, layers, reasons, storage, segments, layouts, overlap, dump)
    except (CapacityError, PlanError) as error:
        raise ModelError(f"{graph.name} does not fit configuration {config.name!r}: {error}") from None


def _choose(graph, config):
    """Layers of the operators that the chip takes, by operator; and for the others the reason."""
    layers, reasons = {}, {}
    for operator in graph.operators:
        try:
            layers[operator.index] = lower(graph, operator, config)
        except OnHost as why:
            reasons[operator.index] = str(why)
    while True:
        conflict = _conflict(graph, layers)
        if conflict is None:
            return layers, reasons
        index, reason = conflict
        del layers[index]
        reasons[index] = reason


def _conflict(graph, layers):
    """An operator that must go to the host because its storage does not agree with the others', and why."""
    produced = {layer.target for layer in layers.values()}
    fills, padded = {}, set()
    for index, layer in layers.items():
        for source, padding in layer.padding.items():
            if padding.fill is not None:
                padded.add(source)
                if fills.setdefault(source, padding.fill) != padding.fill:
                    return index, "another operator needs other padding around its input"
    for index, layer in layers.items():
        if layer.unit is None:
            source = layer.sources[0]
            if source not in produced:
                return index, "its input is not on the chip"
            if source in padded or layer.target in padded:
                return index, "its input or output is stored with padding"
    return None


def _storage(graph, layers, in_place):
    """For each tensor the one whose storage it shares: itself, a reshaped operator's input, or an operand that an
    element-wise operator may overwrite because nobody needs it afterwards."""
    storage = {t.index: t.index for t in graph.tensors}
    padded = {source for layer in layers.values() for source, padding in layer.padding.items() if padding != Padding()}
    produced = {layer.target for layer in layers.values()}
    for index in sorted(layers):
        layer = layers[index]
        if layer.unit is None:
            storage[layer.target] = storage[layer.sources[0]]
        elif in_place and isinstance(layer, ElementwiseLayer):
            for source in layer.sources:
                users = [other for other in layers.values() if source in other.sources]
                if (source in produced and storage[source] == source and source not in padded and len(users) == 1
                        and not _leaves(graph, layers, source) and layer.sources.count(source) == 1):
                    storage[layer.target] = source
                    break
    return storage


def _segments(graph, layers):
    """The operators in runs: lists of operators that the chip executes at one go, or one operator of the host."""
    segments = []
    for operator in graph.operators:
        on_chip = operator.index in layers
        if on_chip and segments and segments[-1][0] in layers:
            segments[-1].append(operator.index)
        else:
            segments.append([operator.index])
    return segments


def _place(graph, config, layers, storage, segments):
    """Layout of every tensor on the chip, and the operators that may begin before the one ahead of them is done."""
    layouts = _layouts(graph, layers, storage)
    first, last = _lives(graph, layers, storage, segments)
    # A vector that begins in the last tensor may end behind it.
    capacity = config.unified_buffer_bytes - max(config.rows, config.cols)
    ahead = {after: before for segment in segments if segment[0] in layers
             for before, after in itertools.pairwise(i for i in segment if layers[i].unit is not None)}
    overlap = set(ahead)
    while True:
        # What a layer uses keeps its place until the layer that overlaps it is done.
        extended = {t: max([last[t], *(j for j in overlap if ahead[j] == last[t])]) for t in last}
        intervals = [Interval(t, layouts[t].size, first[t], extended[t]) for t in last]
        try:
            addresses = plan(intervals, capacity)
            break
        except PlanError:
            if not overlap:
                raise
            overlap.remove(max(overlap, key=lambda j: sum(i.size for i in intervals if i.first <= j <= i.last)))
    placed = {tensor: replace(layouts[root], base=addresses[root], **_shape(graph, tensor))
              for tensor, root in storage.items() if root in layouts}
    return placed, overlap


def _shape(graph, tensor):
    return dict(zip(("height", "width", "channels"), image_shape(graph.tensors[tensor].shape)))


def _layouts(graph, layers, storage):
    """Layout of every storage with the padding that all its readers need, without an address."""
    padding = {storage[t]: Padding() for layer in layers.values() for t in (*layer.sources, layer.target)}
    for layer in layers.values():
        for source, need in layer.padding.items():
            have = padding[storage[source]]
            sides = {side: max(getattr(have, side), getattr(need, side)) for side in ("top", "bottom", "left", "right")}
            padding[storage[source]] = Padding(**sides, fill=have.fill if need.fill is None else need.fill)
    return {t: Layout(**_shape(graph, t), top=p.top, bottom=p.bottom, left=p.left, right=p.right, fill=p.fill or 0)
            for t, p in padding.items()}


def _lives(graph, layers, storage, segments):
    """First and last operator during which each storage must keep its place."""
    uses = {}
    for segment in segments:
        if segment[0] not in layers:
            continue
        inside = {layers[i].target for i in segment}
        for index in segment:
            layer = layers[index]
            for source in layer.sources:
                # What the host writes must have its place from the start of the run.
                uses.setdefault(storage[source], []).extend([index] if source in inside else [segment[0], index])
            uses.setdefault(storage[layer.target], []).append(index)
            if _leaves(graph, layers, layer.target):
                uses[storage[layer.target]].append(segment[-1])
    return {t: min(u) for t, u in uses.items()}, {t: max(u) for t, u in uses.items()}


def _leaves(graph, layers, tensor):
    """Whether the host needs a tensor: as an output of the model or for an operator of its own."""
    return tensor in graph.outputs or any(tensor in o.inputs for o in graph.operators if o.index not in layers)


def _emit(graph, config, layers, reasons, storage, segments, layouts, overlap, dump):
    builder = Builder(config)
    steps, dumps, tags = [], [], {}
    produced = {layer.target for layer in layers.values()}

    def done(index):
        layer = layers[index]
        if layer.unit is not None and len(tags) < config.tag_depth:
            # The activation unit writes what the array computes: the layer is done when it is.
            tags[index] = len(tags)
            builder.tag(Unit.ACTIVATION if layer.unit is Unit.MATRIX else layer.unit, tags[index])
        if dump:
            layout = layouts[layer.target]
            host_address = sum(layouts[d.storage].size for d in dumps)
            builder.write_host(host_address, layout.base, layout.size)
            dumps.append(Dump(layer.target, storage[layer.target], host_address))

    for segment in segments:
        if segment[0] not in layers:
            steps.append(Step(operator=segment[0]))
            continue
        step = Step(address=builder.begin())
        inside = [layers[i].target for i in segment]
        step.writes = list(dict.fromkeys(s for i in segment for s in layers[i].sources if s not in produced))
        schedule(builder, [(i, layers[i]) for i in segment], layouts, overlap, done)
        builder.halt()
        step.reads = [t for t in sorted(inside) if _leaves(graph, layers, t)]
        steps.append(step)
    infos = []
    for operator in graph.operators:
        name = graph.tensors[operator.outputs[0]].name
        layer = layers.get(operator.index)
        if layer is None:
            infos.append(LayerInfo(name, operator.kind, "host", reason=reasons[operator.index]))
        else:
            unit = "none" if layer.unit is None else layer.unit.name.lower()
            infos.append(LayerInfo(name, operator.kind, unit, layer.macs, tags.get(operator.index)))
    return Program(graph.name, config, graph, builder.weight_image(), b"".join(builder.code),
                   np.array(builder.owners, np.int32), layouts, steps, infos, dumps)

