"""Padding that an operator of its own puts around an image becomes that of the operators that slide over it."""

from dataclasses import replace

import numpy as np
from systolith.host.graph import windows
from systolith.host.quantisation import same_quantisation

__all__ = ["fuse_padding"]


def fuse_padding(graph):
    """Without each PAD whose output only convolutions and the like read."""
    operators = list(graph.operators)
    for pad in graph.operators:
        amounts = _around_image(graph, pad)
        readers = [place for place, operator in enumerate(operators) if pad.outputs[0] in operator.inputs]
        if amounts is None or pad.outputs[0] in graph.outputs or not readers:
            continue
        fused = [_with_padding(graph, operators[place], pad, amounts) for place in readers]
        if None not in fused:
            for place, operator in zip(readers, fused):
                operators[place] = operator
            operators.remove(pad)
    return graph.with_operators(operators)


def _around_image(graph, operator):
    """((top, bottom), (left, right)) of a PAD that fills with zero around images, else None."""
    if operator.kind not in ("PAD", "PADV2"):
        return None
    x, amounts, *fill = (graph.tensors[index] for index in operator.inputs)
    y = graph.tensors[operator.outputs[0]]
    if not same_quantisation(x, y):
        return None  # the bytes mean something else behind it
    if len(x.shape) != 4 or (fill and fill[0].data.item() != x.zero_point[0]):
        return None
    amounts = np.asarray(amounts.data).tolist()
    return amounts[1:3] if amounts[0] == amounts[3] == [0, 0] else None


def _with_padding(graph, operator, pad, amounts):
    """The reader of a PAD, reading what that reads; None if it cannot."""
    x, padded = graph.tensors[pad.inputs[0]], graph.tensors[pad.outputs[0]]
    if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        kernel = graph.tensors[operator.inputs[1]].shape[1:3]
    elif operator.kind == "MAX_POOL_2D" and x.zero_point[0] == -128:
        kernel = operator.options["filter_h"], operator.options["filter_w"]  # whose own padding is the least number
    else:
        return None
    if padded.index in operator.inputs[1:]:
        return None
    own = [(0, 0)] * 2
    if operator.options["padding"] != "VALID":
        own = [(before, after) for _, before, after in windows(padded.shape[1:3], kernel, operator.options)]
    (top, bottom), (left, right) = ((a + c, b + d) for (a, b), (c, d) in zip(amounts, own))
    options = {**operator.options, "padding": "EXPLICIT",
               "pad_top": top, "pad_bottom": bottom, "pad_left": left, "pad_right": right}
    return replace(operator, inputs=[x.index, *operator.inputs[1:]], options=options)
