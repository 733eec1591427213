"""Reshapes go out of the way of what they keep apart: padding and convolutions of lines, functions and layers."""

from dataclasses import replace

import numpy as np
from systolith.host.graph import Operator, integers
from systolith.host.quantisation import same_quantisation

from .lower import UNARY

__all__ = ["RESHAPES", "as_image", "functions_first", "image_of_line", "pad_images", "reshape"]

#: Kinds of operators that only change the shape.
RESHAPES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def as_image(shape):
    """Shape of a line [batch, width, channels] as an image of one row; another shape as it is."""
    return (shape[0], 1, *shape[1:]) if len(shape) == 3 else shape


def image_of_line(line, tensors):
    """A new tensor, put behind `tensors`, for a line as an image of one row."""
    tensors.append(replace(line, index=len(tensors), shape=as_image(line.shape)))
    return tensors[-1]


def reshape(source, target, tensors):
    """The RESHAPE from one tensor to another; its constant is put behind `tensors`."""
    tensors.append(integers(len(tensors), target.shape))
    return Operator(0, "RESHAPE", [source.index, len(tensors) - 1], [target.index])


def pad_images(graph):
    """The same network with each PAD of a line that becomes an image of one row behind this reshape.

    There it can be the padding of what slides over the image (`fuse_padding`).

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        Tensors keep their numbers, new ones come behind them; operators get new numbers.
    """
    readers, tensors, operators, done = graph.readers(), list(graph.tensors), [], set()
    for operator in graph.operators:
        if operator.index in done:
            continue
        behind = readers[operator.outputs[0]]
        made = operator.kind in ("PAD", "PADV2") and _behind(graph, operator, behind, tensors)
        if made:
            done.update(behind)
        operators.extend(made or [operator])
    return graph.with_operators(operators, tensors)


def _behind(graph, pad, readers, tensors):
    """A reshape, and behind it a PAD for each reader; None if one of these makes no image of one row."""
    x, amounts, *fill = (graph.tensors[index] for index in pad.inputs)
    padded = graph.tensors[pad.outputs[0]]
    if len(x.shape) != 3 or x.data is not None or not readers or None in readers:
        return None
    targets = []
    for reader in (graph.operators[index] for index in readers):
        target = graph.tensors[reader.outputs[0]]
        is_image = reader.kind in RESHAPES and target.shape == as_image(padded.shape)
        if not is_image or not same_quantisation(padded, target):
            return None
        targets.append(target)
    image = image_of_line(x, tensors)
    tensors.append(replace(amounts, index=len(tensors), shape=(4, 2), data=np.insert(amounts.data, 1, 0, axis=0)))
    around = tensors[-1].index
    return [reshape(x, image, tensors),
            *(replace(pad, inputs=[image.index, around, *(tensor.index for tensor in fill)], outputs=[target.index])
              for target in targets)]


def functions_first(graph):
    """The same network with each function of single elements before the reshape of what it alone reads.

    There it can become part of the layer that makes these elements (`fuse_functions`).

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        Tensors keep their numbers, new ones come behind them; operators get new numbers.
    """
    readers, tensors, operators, reshapes = graph.readers(), list(graph.tensors), [], {}
    for operator in graph.operators:
        source, target = operator.inputs[0], tensors[operator.outputs[0]]
        before = reshapes.get(source)
        alone = before and readers[source] == {operator.index} and same_quantisation(
            tensors[before.inputs[0]], tensors[source])
        if operator.kind in UNARY and alone and tensors[source].dtype == target.dtype == np.int8:
            made = replace(target, index=len(tensors), shape=tensors[before.inputs[0]].shape)
            tensors.append(made)
            operators.remove(before)
            operators.append(replace(operator, inputs=[before.inputs[0]], outputs=[made.index]))
            operator = reshape(made, target, tensors)
        if operator.kind in RESHAPES:
            reshapes[target.index] = operator
        operators.append(operator)
    return graph.with_operators(operators, tensors)
