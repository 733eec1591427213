"""Operators on single elements, which are tables, and on corresponding elements of two tensors."""

import numpy as np
from systolith.host.graph import activation_range
from systolith.host.operators import evaluate
from systolith.host.quantisation import LEVELS, add_factors, multiply_factor
from systolith.rtl.isa import Function, Unit
from systolith.sim.arithmetic import quantise_multiplier

from ..broadcast import BroadcastLayer
from ..layer import Padding
from ..matrix import TableLayer
from ..vector import ElementwiseLayer
from ..window import Geometry
from .moves import broadcast
from .on_host import need, need_vector

__all__ = ["BINARY", "UNARY", "elementwise", "table"]

#: Of one input: the function table does any.
UNARY = frozenset({"ABS", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "LOOKUP", "QUANTIZE", "RELU",
                    "RELU6", "RELU_N1_TO_1", "RSQRT", "TANH"})

_ELEMENTWISE = {
    "ADD": (Function.ADD, (add_factors, ("a", "b", "out"))),
    "SUB": (Function.SUBTRACT, (add_factors, ("a", "b", "out"))),
    "MUL": (Function.MULTIPLY, (multiply_factor, ("out",))),
    "MAXIMUM": (Function.MAXIMUM, None),
}

#: Of two inputs; with one of them a constant number a function of the other, for the table.
BINARY = frozenset({*_ELEMENTWISE, "MINIMUM", "SQUARED_DIFFERENCE"})


def elementwise(graph, operator, config, x, y):
    """Two tensors, which one of them may broadcast; with a constant number it is a table."""
    b = graph.tensors[operator.inputs[1]]
    varying = [t for t in (x, b) if t.data is None]
    if len(varying) == 1 and all(t in varying or t.data.size == 1 for t in (x, b)):
        return table(graph, operator, config, varying[0], y)
    need_vector(config)
    need(varying and operator.kind in _ELEMENTWISE, "the chip has no unit for it")
    low, high = activation_range(operator.options.get("activation", "NONE"), y.scale[0], y.zero_point[0])
    function, rescale = _ELEMENTWISE[operator.kind]
    registers = dict(minimum=low, maximum=high)
    if rescale is not None:
        registers |= dict(zero_point=y.zero_point[0], zero_point_a=x.zero_point[0], zero_point_b=b.zero_point[0])
        for name, factor in zip(rescale[1], np.atleast_1d(rescale[0](x, b, y))):
            multiplier, shift = quantise_multiplier(factor)
            need(shift <= 30, "a rescaling factor is 2**30 or more")
            registers |= {f"multiplier_{name}": multiplier, f"shift_{name}": shift}

    def layer(sources):
        return ElementwiseLayer("", "", Unit.VECTOR, sources, y.index, 0, {source: Padding() for source in sources},
                                function=function, registers=registers)

    if x.shape == b.shape == y.shape:
        return layer([x.index, b.index])
    need(y.shape in (x.shape, b.shape), "it broadcasts both inputs")
    # A constant is an input that the host writes.
    small = b if x.shape == y.shape else x
    move = broadcast(small.index, small.shape, y.shape)
    need(move is not None, "it broadcasts an input over the channels, or over several images")
    inner = layer([BroadcastLayer.REPEATED if t is small else t.index for t in (x, b)])
    return BroadcastLayer("", "", Unit.VECTOR, [x.index, b.index], -1, 0, {x.index: Padding(), b.index: Padding()},
                          moves=[move], inner=inner)


def table(graph, operator, config, x, y):
    """Any int8 function of one int8: the array passes the values, the function table does the work."""
    need(len(x.zero_point) <= 1, "its input is quantised per channel")
    return TableLayer("", "", Unit.MATRIX, [x.index], -1, 0, {x.index: Padding()},
                      geometry=Geometry(), table=evaluate(graph, operator, {x.index: LEVELS})[0].reshape(256))
