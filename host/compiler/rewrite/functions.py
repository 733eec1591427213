"""Functions of single elements become part of the layer before them, whose results pass the function table anyway."""

from dataclasses import replace

import numpy as np
from systolith.host.graph import Operator
from systolith.host.operators import evaluate
from systolith.host.operators.comparison_rules import COMPARISONS, LOGICAL
from systolith.host.quantisation import LEVELS

from ..lower import BINARY, UNARY

__all__ = ["fuse_functions"]

#: Operators whose results' elements depend on corresponding elements.
_OF_ELEMENTS = UNARY | BINARY | {*COMPARISONS, *LOGICAL, "SELECT_V2"}

#: Layers of the array, which has the function table behind it.
_ON_ARRAY = frozenset({"CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})


def fuse_functions(graph):
    """With fewer passes over the tensors.

    Operators that together are a function of a tensor's single elements (x * sigmoid(x)) become one LOOKUP. One that is
    the only reader of a convolution or a product becomes the option ``table`` of that; the option ``quantised_as`` then
    is the number of the tensor between the two, whose scale the table is for.
    """
    return _into_layers(_joined(graph))


class _Function:
    """What operators make of a tensor's elements: the operators, and their result, int8 or bool, for each int8."""

    def __init__(self, base, table=LEVELS, operators=()):
        self.base, self.table, self.operators = base, table, frozenset(operators)

    @property
    def fits_the_chip(self):
        """Whether its results are int8, as those of the chip's function table."""
        return self.table.dtype == np.int8


def _function(graph, operator, known):
    """`_Function` of an operator's output, or None."""
    if operator.kind not in _OF_ELEMENTS:
        return None
    output = graph.tensors[operator.outputs[0]]
    functions = {}
    for index in operator.inputs:
        tensor = graph.tensors[index]
        if tensor.data is None:
            is_number = tensor.dtype == np.int8 and len(tensor.scale) == 1
            if tensor.shape != output.shape or not (is_number or index in known):
                return None
            functions[index] = known.get(index) or _Function(index)
        elif tensor.data.size != 1:
            return None
    bases = {function.base for function in functions.values()}
    if len(bases) != 1 or output.dtype not in (np.int8, np.bool_):
        return None
    table, = evaluate(graph, operator, {index: function.table for index, function in functions.items()})
    before = frozenset().union(*(function.operators for function in functions.values()))
    return _Function(bases.pop(), table.reshape(256), before | {operator.index})


def _joined(graph):
    """With one LOOKUP for several operators of which only the last one's result is used by others."""
    known, readers = {}, graph.readers()
    for operator in graph.operators:
        function = _function(graph, operator, known)
        if function is not None:
            known[operator.outputs[0]] = function
    gone, operators = set(), []
    for operator in reversed(graph.operators):
        if operator.index in gone:
            continue
        function = _closed(graph, known.get(operator.outputs[0]), operator, readers)
        if function is not None and len(function.operators) > 1 and function.fits_the_chip:
            gone |= function.operators - {operator.index}
            operator = Operator(operator.index, "LOOKUP", [function.base], operator.outputs,
                                {"table": function.table.tolist()})
        operators.append(operator)
    return graph.with_operators(operators[::-1])


def _closed(graph, function, operator, readers):
    """The function with as many operators as can go because nobody else reads what they make; perhaps None."""
    while function is not None:
        inside = function.operators
        read = {index for index in inside - {operator.index}
                if not readers[graph.operators[index].outputs[0]] <= inside}
        if not read:
            return function
        # What others read is there anyway, and the function may begin at it.
        known = {}
        for index in sorted(inside):
            part = _function(graph, graph.operators[index], known)
            if part is not None and index not in read:
                known[graph.operators[index].outputs[0]] = part
        function = known.get(operator.outputs[0])
    return None


def _into_layers(graph):
    """With the functions that follow layers of the array in these."""
    readers, maker = graph.readers(), {operator.outputs[0]: operator for operator in graph.operators}
    fused, gone = {}, set()
    for operator in graph.operators:
        function = _function(graph, operator, {})
        layer = maker.get(function.base) if function is not None and function.fits_the_chip else None
        if layer is None or layer.kind not in _ON_ARRAY or readers[function.base] != {operator.index}:
            continue
        options = {**layer.options, "table": function.table.tolist(), "quantised_as": function.base}
        fused[layer.index] = replace(layer, outputs=list(operator.outputs), options=options)
        gone.add(operator.index)
    return graph.with_operators([fused.get(operator.index, operator) for operator in graph.operators
                                 if operator.index not in gone])
