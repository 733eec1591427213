"""Chains of reshapes and the like that come to little: nothing moves, channels change places or pixels repeat."""

from dataclasses import replace

import numpy as np
from systolith.host.graph import Operator

from ..lower.moves import origin, selected
from .reshapes import RESHAPES
from .rewriter import replaced

__all__ = ["fuse_shuffles"]

#: What operators that take a constant besides do with an array.
_MOVES = {"TRANSPOSE": np.transpose, "TILE": np.tile}


def fuse_shuffles(graph):
    """With one GATHER of channels, RESIZE_NEAREST_NEIGHBOR or RESHAPE for each such chain.

    Channel shuffles are written so: channels cut into groups, transposed and joined again; and where the front end had
    to put an image into another order of dimensions and back, it is around them. Images are made larger by a TILE along
    a dimension that a reshape puts behind rows, and one that another puts behind columns.
    """
    return replaced(graph, _one_move)


def _one_move(rewriter, operator):
    """Of the chain that begins here as much as comes to one operator."""
    chain = _chain(rewriter, operator)
    while len(chain) > 1 and any(part.kind in _MOVES for part in chain):
        fused = _fused(rewriter, chain)
        if fused is not None:
            return chain, [fused]
        chain.pop()
    return None


def _chain(rewriter, operator):
    """The operators from this one on that reshape, transpose and repeat, each the only reader of the one before."""
    chain = []
    while operator is not None and (operator.kind in _MOVES or operator.kind in RESHAPES):
        chain.append(operator)
        operator = rewriter.only_reader(operator)
    return chain


def _fused(rewriter, chain):
    """One operator in place of a chain, or None."""
    tensors, constant = rewriter.tensors, rewriter.constant
    source, target = tensors[chain[0].inputs[0]], tensors[chain[-1].outputs[0]]
    if source.data is not None or not source.shape or source.dtype != target.dtype:
        return None
    elements = np.arange(np.prod(source.shape)).reshape(source.shape)
    for operator in chain:
        if operator.kind in _MOVES:
            elements = _MOVES[operator.kind](elements, tensors[operator.inputs[1]].data)
        else:
            elements = elements.reshape(tensors[operator.outputs[0]].shape)

    flat = elements.reshape(-1)
    if np.array_equal(flat, np.arange(len(flat))):
        return replace(chain[-1], kind="RESHAPE", inputs=[source.index, constant(target.shape)], options={})
    if len(source.shape) == len(target.shape) == 4 and source.shape[::3] == target.shape[::3]:
        resize = Operator(0, "RESIZE_NEAREST_NEIGHBOR", [source.index, constant(target.shape[1:3])],
                          list(chain[-1].outputs), {"align_corners": False, "half_pixel_centers": False})
        if np.array_equal(elements, origin(replace(rewriter.graph, tensors=tensors), resize, source, target)):
            return resize
    channels = selected(elements, source.shape)
    if source.shape != target.shape or channels is None:
        return None
    return Operator(0, "GATHER", [source.index, constant(channels)], list(chain[-1].outputs),
                    {"axis": len(source.shape) - 1, "batch_dims": 0})
