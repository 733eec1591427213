"""Operators that only move elements: the vector unit, or the array."""

import math

import numpy as np
from systolith.rtl.isa import Unit
from systolith.sim.arithmetic import quantise_multiplier

from ..layer import Layer, Padding, Quantisation
from ..layout import image_shape
from ..matrix import MatrixLayer
from ..move import Move, MoveLayer
from ..passes import cover
from ..window import Geometry
from . import moves
from .on_host import need, need_vector

__all__ = ["PICKED", "concatenation", "pad", "picked", "reshape"]

#: Each element of the output is one of the input's.
PICKED = frozenset({"BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "GATHER", "RESIZE_NEAREST_NEIGHBOR",
                     "SLICE", "SPACE_TO_DEPTH", "STRIDED_SLICE", "TILE", "TRANSPOSE"})

#: What a step of the array counts more than one of the vector unit, beside which it could go on with other layers.
_FOR_OTHERS = 1.5


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
    """`PICKED`: by moves; or where each pixel has some of its own channels, by the array, if that takes fewer steps."""
    elements = moves.origin(graph, operator, x, y)
    found = moves.picked(elements, x) if config.has_vector else None
    channels = moves.selected(elements, x.shape)
    if channels is not None and (
            found is None or _FOR_OTHERS * _steps_of_array(x, channels, config) < _steps_of_moves(found, config)):
        return _selection(x, channels)
    need_vector(config)
    need(found is not None, "it takes more moves than pay")
    return _moves([x.index], found)


def _steps_of_moves(found, config):
    """About how many cycles the vector unit takes."""
    return sum(height * width * -(-channels // config.cols) for height, width, channels in
               (move.count for move in found)) * config.vector_beats


def _steps_of_array(x, channels, config):
    """About how many cycles the array takes; pixels of few channels share its columns."""
    pixels, fold = math.prod(x.shape[:-1]), max(1, config.cols // len(channels))
    taken = np.concatenate([channels + pixel * x.shape[-1] for pixel in range(fold)])
    blocks = np.split(taken, range(config.cols, len(taken), config.cols))
    return pixels / fold * sum(max(len(cover(np.unique(block), config.rows)), config.beats) for block in blocks)


def _selection(x, channels):
    """A convolution of one tap, whose weights choose."""
    weights = np.zeros((1, 1, x.shape[-1], len(channels)), np.int8)
    weights[0, 0, channels, np.arange(len(channels))] = 1
    (multiplier, shift), same = quantise_multiplier(1.0), np.ones(len(channels), np.int64)
    unchanged = Quantisation(0 * same, multiplier * same, shift * same, 0, -128, 127)
    return MatrixLayer("", "", Unit.MATRIX, [x.index], -1, 0, {x.index: Padding()}, geometry=Geometry(),
                       weights=weights, quantisation=unchanged)


def reshape(graph, operator, config, x, y):
    """The same bytes under another shape: no work."""
    return Layer("", "", None, [x.index], -1, 0, {x.index: Padding()})
