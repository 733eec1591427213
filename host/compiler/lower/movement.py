"""Operators that only move elements: the vector unit."""

from systolith.rtl.isa import Unit

from ..layer import Layer, Padding
from ..layout import image_shape
from ..move import Move, MoveLayer
from . import moves
from .on_host import need, need_vector

__all__ = ["PICKED", "concatenation", "pad", "picked", "reshape"]

#: Each element of the output is one of the input's.
PICKED = frozenset({"BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "GATHER", "RESIZE_NEAREST_NEIGHBOR",
                     "SLICE", "SPACE_TO_DEPTH", "STRIDED_SLICE", "TILE", "TRANSPOSE"})


def _moves(sources, moves):
    """The layer that executes some moves."""
    return MoveLayer("", "", Unit.VECTOR, sources, -1, 0, {source: Padding() for source in sources}, moves=moves)


def concatenation(graph, operator, config, x, y):
    """CONCATENATION."""
    need_vector(config)
    tensors = [graph.tensors[index] for index in operator.inputs]
    need(all(t.data is None for t in tensors), "one of its inputs is a constant")
    found = moves.concatenation([t.shape for t in tensors], operator.inputs, operator.options["axis"])
    need(found is not None, "its inputs are no single images")
    return _moves(list(dict.fromkeys(operator.inputs)), found)


def pad(graph, operator, config, x, y):
    """PAD, PADV2."""
    need_vector(config)
    amounts = graph.tensors[operator.inputs[1]].data.tolist()
    fill = graph.tensors[operator.inputs[2]].data.item() if len(operator.inputs) > 2 else int(y.zero_point[0])
    need(all(size == 1 for size in y.shape[:-3]), "its output is not one image")
    before = [0] * (3 - len(amounts)) + [first for first, _ in amounts[-3:]]
    layer = _moves([x.index], [Move(x.index, image_shape(x.shape), put=tuple((first, 1) for first in before))])
    layer.fill = fill
    return layer


def picked(graph, operator, config, x, y):
    """`PICKED`."""
    need_vector(config)
    found = moves.picked(graph, operator, x, y)
    need(found is not None, "it takes more moves than pay")
    return _moves([x.index], found)


def reshape(graph, operator, config, x, y):
    """The same bytes under another shape: no work."""
    return Layer("", "", None, [x.index], -1, 0, {x.index: Padding()})
