"""Reshapes go out of the way of what they keep apart: padding and convolutions of lines, functions and layers."""

from dataclasses import replace

import numpy as np
from systolith.host.quantisation import same_quantisation

from ..lower import UNARY
from .rewriter import replaced

__all__ = ["RESHAPES", "as_image", "functions_first", "image_of_line", "pad_images"]

#: Kinds of operators that only change the shape.
RESHAPES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def as_image(shape):
    """Shape of a line [batch, width, channels] as an image of one row; another shape as it is."""
    return (shape[0], 1, *shape[1:]) if len(shape) == 3 else shape


def image_of_line(line, rewriter):
    """A new tensor for a line as an image of one row."""
    return rewriter.like(line, shape=as_image(line.shape))


def pad_images(graph):
    """With each PAD of a line that becomes an image of one row behind this reshape.

    There it can be the padding of what slides over the image (`fuse_padding`).
    """
    return replaced(graph, _pad_behind)


def _pad_behind(rewriter, pad):
    """A reshape, and behind it a PAD for each reader; None if one of these makes no image of one row."""
    if pad.kind not in ("PAD", "PADV2"):
        return None
    graph, readers = rewriter.graph, rewriter.readers[pad.outputs[0]]
    x, amounts, *fill = (graph.tensors[index] for index in pad.inputs)
    padded = graph.tensors[pad.outputs[0]]
    if len(x.shape) != 3 or x.data is not None or not readers or None in readers:
        return None
    readers = [graph.operators[index] for index in readers]
    targets = [graph.tensors[reader.outputs[0]] for reader in readers]
    for reader, target in zip(readers, targets):
        is_image = reader.kind in RESHAPES and target.shape == as_image(padded.shape)
        if not is_image or not same_quantisation(padded, target):
            return None
    image = image_of_line(x, rewriter)
    around = rewriter.like(amounts, shape=(4, 2), data=np.insert(amounts.data, 1, 0, axis=0))
    inputs = [image.index, around.index, *(tensor.index for tensor in fill)]
    return [pad, *readers], [rewriter.reshape(x, image),
                             *(replace(pad, inputs=inputs, outputs=[target.index]) for target in targets)]


def functions_first(graph):
    """With the functions of single elements before the reshape of which they alone read what it makes.

    There they can become part of the layer that makes these elements (`fuse_functions`).
    """
    return replaced(graph, _reshape_behind)


def _reshape_behind(rewriter, operator):
    if operator.kind not in RESHAPES:
        return None
    tensors = rewriter.tensors
    x, shaped = tensors[operator.inputs[0]], tensors[operator.outputs[0]]
    functions, reader = [], rewriter.only_reader(operator)
    while reader is not None and reader.kind in UNARY and all(
            tensors[index].dtype == np.int8 for index in (reader.inputs[0], reader.outputs[0])):
        functions.append(reader)
        reader = rewriter.only_reader(reader)
    if not functions or not same_quantisation(x, shaped):
        return None
    made, moved = x, []
    for function in functions:
        source, made = made, rewriter.like(tensors[function.outputs[0]], shape=x.shape)
        moved.append(replace(function, inputs=[source.index], outputs=[made.index]))
    return [operator, *functions], [*moved, rewriter.reshape(made, tensors[functions[-1].outputs[0]])]
