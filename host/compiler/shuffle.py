"""Chains of reshapes and transpositions that come to little: nothing moves, or each pixel's channels change places."""

from dataclasses import replace

import numpy as np
from systolith.host.graph import Operator, integers

from .lower.moves import selected

__all__ = ["fuse_shuffles"]

_RESHAPES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def fuse_shuffles(graph):
    """The same network with one GATHER of channels, or one RESHAPE, for each such chain.

    Channel shuffles are written so: channels cut into groups, transposed and joined again; and where the front end had
    to put an image into another order of dimensions and back, it is around them.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        Tensors keep their numbers, constants come behind them; operators get new numbers.
    """
    readers = graph.readers()
    tensors, operators, done = list(graph.tensors), [], set()
    for operator in graph.operators:
        if id(operator) in done:
            continue
        chain, fused = _chain(graph, operator, readers), None
        while fused is None and len(chain) > 1 and any(part.kind == "TRANSPOSE" for part in chain):
            fused = _fused(graph, chain, tensors)
            done.update(map(id, chain if fused else ()))
            chain.pop()
        operators.append(fused or operator)
    return graph.with_operators(operators, tensors)


def _chain(graph, operator, readers):
    """The operators from this one on that only reshape and transpose, each the only reader of the one before."""
    chain = []
    while operator.kind == "TRANSPOSE" or operator.kind in _RESHAPES:
        chain.append(operator)
        output = operator.outputs[0]
        if len(readers[output]) != 1 or readers[output] == {None}:
            break
        operator = graph.operators[next(iter(readers[output]))]
        if operator.inputs[0] != output:
            break
    return chain


def _fused(graph, chain, tensors):
    """One operator in place of a chain, or None."""
    source, target = graph.tensors[chain[0].inputs[0]], graph.tensors[chain[-1].outputs[0]]
    if source.data is not None or not source.shape or source.dtype != target.dtype:
        return None
    elements = np.arange(np.prod(source.shape)).reshape(source.shape)
    for operator in chain:
        order = operator.kind == "TRANSPOSE" and graph.tensors[operator.inputs[1]].data
        shape = graph.tensors[operator.outputs[0]].shape
        elements = elements.reshape(shape) if order is False else elements.transpose(order)

    def constant(values):
        tensors.append(integers(len(tensors), values))
        return len(tensors) - 1

    flat = elements.reshape(-1)
    if np.array_equal(flat, np.arange(len(flat))):
        return replace(chain[-1], kind="RESHAPE", inputs=[source.index, constant(target.shape)], options={})
    channels = selected(elements, source.shape)
    if source.shape != target.shape or channels is None:
        return None
    return Operator(0, "GATHER", [source.index, constant(channels)], list(chain[-1].outputs),
                    {"axis": len(source.shape) - 1, "batch_dims": 0})
