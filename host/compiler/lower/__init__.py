"""Turns an operator of the graph into a layer of the chip, or says why the host must do it."""

from dataclasses import replace

import numpy as np
from systolith.host.quantisation import LEVELS

from .contraction import conv, depthwise, fully_connected, transpose_conv
from .elementwise import BINARY, UNARY, elementwise, table
from .movement import PICKED, concatenation, pad, picked, reshape
from .on_host import OnHost
from .pooling import average_pool, max_pool, reduce

__all__ = ["BINARY", "UNARY", "OnHost", "lower"]

#: Which input is computed on; where not said, the first.
_DATA = {"TRANSPOSE_CONV": 2}

#: What makes the layer: a function of graph, operator, configuration, and the tensors computed on and made.
_LOWER = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": fully_connected,
    "TRANSPOSE_CONV": transpose_conv,
    "AVERAGE_POOL_2D": average_pool,
    "MAX_POOL_2D": max_pool,
    "CONCATENATION": concatenation,
    **dict.fromkeys(("MEAN", "SUM"), reduce),
    **dict.fromkeys(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"), reshape),
    **dict.fromkeys(("PAD", "PADV2"), pad),
    **dict.fromkeys(BINARY, elementwise),
    **dict.fromkeys(PICKED, picked),
    **dict.fromkeys(UNARY, table),
}


def lower(graph, operator, config):
    """The layer that executes an operator.

    Parameters
    ----------
    graph : Graph
    operator : Operator
    config : Config

    Returns
    -------
    Layer
        A plain `Layer` where the output is the input's bytes under another shape.

    Errors
    ------
    OnHost
        If the chip cannot, with the reason.
    """
    if operator.kind not in _LOWER:
        raise OnHost(operator.options.get("reason", "the chip has no unit for it"))
    tensors = [graph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    if any(t.dtype != np.int8 for t in tensors if t.data is None):
        raise OnHost("its tensors are not int8")
    x, y = graph.tensors[operator.inputs[_DATA.get(operator.kind, 0)]], graph.tensors[operator.outputs[0]]
    if x.data is not None and operator.kind not in BINARY:
        raise OnHost("its first input is a constant")
    fused = operator.options.get("quantised_as")
    layer = _LOWER[operator.kind](graph, operator, config, x, y if fused is None else graph.tensors[fused])
    if fused is not None:
        _append(layer, np.array(operator.options["table"], np.int8))
    layer.name, layer.kind, layer.target = y.name, operator.kind, y.index
    return layer


def _append(layer, table):
    """Puts a function table behind a layer of the array; one that only confines the values is part of its clamp."""
    low, high = int(table.min()), int(table.max())
    if not np.array_equal(table, np.clip(LEVELS, low, high)):
        layer.table = table
        return
    q = layer.quantisation
    layer.quantisation = replace(q, minimum=min(max(q.minimum, low), high), maximum=max(min(q.maximum, high), low))
