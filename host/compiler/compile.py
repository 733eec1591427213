"""From a graph to a program: which operators the chip takes, where tensors lie, and what is executed when."""

from dataclasses import replace
from functools import partial

from systolith.host.graph import ModelError
from systolith.host.operators import SUPPORTED
from systolith.host.program import LayerInfo, Program, Step
from systolith.rtl.isa import Unit

from .builder import Builder, CapacityError
from .group import Part
from .layout import PlanError, image_shape
from .lower import OnHost, lower
from .place import place
from .rewrite import simplified
from .schedule import schedule
from .stream import TooLarge, stream

__all__ = ["compile_graph"]


def compile_graph(graph, config, dump=False, transfers=False):
    """Compiles a model.

    Parameters
    ----------
    graph : Graph
    config : Config
    dump : bool
        Whether the program sends every operator's output to the host as soon as it is there (for `--check`).
    transfers : bool
        Whether the program itself fetches its inputs from the host and sends it its outputs, while the units work,
        instead of leaving that to the host before and after the run. Not on a chip without DMA.

    Returns
    -------
    Program

    Errors
    ------
    ModelError
        If it has an operator that neither chip nor host can execute.
    """
    graph = simplified(graph, keep_outputs=dump)
    layers, reasons = _choose(graph, config)
    for operator in graph.operators:
        if operator.index in reasons and operator.kind not in SUPPORTED:
            raise ModelError(f"{graph.name}: operator {operator.index} ({operator.kind}) is not supported")
    while True:
        try:
            return _emit(graph, config, layers, reasons, _parts(graph, config, layers, dump), dump and config.has_dma,
                         transfers and config.has_dma)
        except TooLarge as why:
            for operator in why.operators:
                del layers[operator]
                reasons[operator] = str(why)
            _settle(graph, layers, reasons)


def _choose(graph, config):
    """Layers of the operators that the chip takes, by operator; and for the others the reason."""
    layers, reasons = {}, {}
    for operator in graph.operators:
        try:
            layers[operator.index] = lower(graph, operator, config)
        except OnHost as why:
            reasons[operator.index] = str(why)
    _settle(graph, layers, reasons)
    return layers, reasons


def _settle(graph, layers, reasons):
    """Leaves operators to the host until the storage of the others agrees."""
    while (conflict := _conflict(graph, layers)) is not None:
        index, reasons[conflict[0]] = conflict
        del layers[index]


def _conflict(graph, layers):
    """An operator that must go to the host because its storage does not agree with the others', and why."""
    shapes = {tensor.index: image_shape(tensor.shape) for tensor in graph.tensors}
    produced = {layer.target for layer in layers.values()}
    same = {tensor: tensor for tensor in shapes}  # as the same image, under another shape
    for layer in layers.values():
        if layer.unit is None and shapes[layer.sources[0]] == shapes[layer.target]:
            same[layer.target] = same[layer.sources[0]]
    fills = {}
    for index, layer in layers.items():
        for source, padding in layer.padding.items():
            if padding.fill is not None and fills.setdefault(same[source], padding.fill) != padding.fill:
                return index, "another operator needs other padding around its input"
    for index, layer in layers.items():
        if layer.unit is None:
            source, target = layer.sources[0], layer.target
            if source not in produced:
                return index, "its input is not on the chip"
            if shapes[source] != shapes[target] and (same[source] in fills or target in fills):
                return index, "its input or output is stored with padding"
    return None


def _share_padding(layers):
    """Operators that take no work between tensors of which one is stored with padding."""
    padded = {tensor for layer in layers.values()
              for tensor, padding in layer.padding.items() if padding.fill is not None}
    return [index for index, layer in layers.items()
            if layer.unit is None and not padded.isdisjoint((layer.sources[0], layer.target))]


def _parts(graph, config, layers, dump):
    """What is executed, in order: a `Part` for the chip, or the number of an operator for the host."""
    shapes = {t.index: image_shape(t.shape) for t in graph.tensors}
    # A chip that cannot send tensors while it runs is stopped after each operator instead.
    apart = dump and not config.has_dma
    runs = _runs(graph, layers, apart)
    on_chip = [run for run in runs if run[0] in layers]
    leaving = {t for t in shapes if apart or t in graph.outputs or any(t in o.inputs for o in graph.operators
                                                              if o.index not in layers)}
    try:
        # A tensor that is sent to the host must not be overwritten in place before.
        layouts, overlap = place(config, shapes, layers, on_chip, leaving, in_place=not dump)
    except PlanError:
        # Parts give each tensor storage of its own.
        if shared := _share_padding(layers):
            raise TooLarge(shared, "its input or output is stored with padding") from None
        readers = graph.readers()
        parts = [part for run in runs
                 for part in (stream(config, shapes, layers, run, readers, dump) if run[0] in layers else run)]
        return [replace(part, number=n) if isinstance(part, Part) else part for n, part in enumerate(parts)]
    produced = {layer.target for layer in layers.values()}
    parts = []
    for run in runs:
        if run[0] not in layers:
            parts += run
            continue
        sources = dict.fromkeys(s for i in run for s in layers[i].sources)
        mine = {layers[i].target for i in run}
        parts.append(Part({i: layers[i] for i in run}, {t: layouts[t] for t in mine | sources.keys()}, overlap,
                          [s for s in sources if s not in produced], sorted(mine & leaving)))
    return parts


def _runs(graph, layers, apart):
    """The operators in runs: lists of operators that the chip executes one after the other (with `apart` only one), or
    one of the host."""
    runs = []
    for operator in graph.operators:
        on_chip = operator.index in layers
        if on_chip and runs and runs[-1][0] in layers and not apart:
            runs[-1].append(operator.index)
        else:
            runs.append([operator.index])
    return runs


def _emit(graph, config, layers, reasons, parts, dump, transfers):
    builder = Builder(config)
    executed = {}

    for part in parts:
        if not isinstance(part, Part):
            builder.steps.append(Step(operator=part))
            continue
        executed |= dict.fromkeys(part.layers, part)
        builder.begin(part=part.number, layouts=part.layouts, boxes=part.boxes)
        if transfers:
            builder.owner = -1
            for tensor in part.writes:
                builder.attempt(partial(builder.fetch, tensor))
        else:
            builder.steps[-1].writes = part.writes
        try:
            schedule(builder, list(part.layers.items()), part.layouts, part.overlap, partial(_done, builder, dump))
        except CapacityError as error:
            raise TooLarge([builder.owner], str(error)) from None
        if transfers:
            for tensor in part.reads:
                builder.attempt(partial(builder.dump, tensor))
        else:
            builder.steps[-1].reads = part.reads
        builder.halt()
    infos = []
    for operator in graph.operators:
        name, layer = graph.tensors[operator.outputs[0]].name, layers.get(operator.index)
        if operator.index in executed:
            unit, part = "none" if layer.unit is None else layer.unit.name.lower(), executed[operator.index]
            infos.append(LayerInfo(name, operator.kind, unit, layer.macs, parts=part.parts, group=part.number))
        else:
            reason = reasons.get(operator.index, "its input and output are in the host's memory")
            infos.append(LayerInfo(name, operator.kind, "host", reason=reason))
    instructions, owners, weights = builder.images()
    return Program(graph.name, config, graph, weights, instructions, owners, builder.steps, infos)


def _done(builder, dump, layer):
    """Closes a layer all of whose pieces have been emitted."""
    if layer.unit is not None:
        # The activation unit writes what the array computes: the layer is done when it is.
        builder.attempt(partial(builder.tag, Unit.ACTIVATION if layer.unit is Unit.MATRIX else layer.unit))
    if dump:
        builder.attempt(partial(builder.dump, layer.target))
