"""Functions of single elements that a converter left in floats, as it does where int8 has no kernel for them (NEG)."""

import numpy as np

from .graph import Operator
from .operators import evaluate
from .quantisation import LEVELS

__all__ = ["FLOAT_FUNCTIONS", "tabulated"]

#: Kind -> function of float32, exact.
FLOAT_FUNCTIONS = {"ABS": np.abs, "CEIL": np.ceil, "FLOOR": np.floor, "NEG": np.negative, "ROUND": np.rint,
                   "SQUARE": np.square}


def tabulated(graph):
    """The operators, with one LOOKUP for each DEQUANTIZE, functions of floats and QUANTIZE that only follow each other.

    Parameters
    ----------
    graph : Graph
        As a file has it, unchecked: what does not fit stays.

    Returns
    -------
    list of Operator
        They keep their numbers; a LOOKUP has that of its QUANTIZE.
    """
    readers = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
    tables, gone = {}, set()
    for operator in graph.operators:
        chain = _chain(graph, operator, readers)
        if chain:
            source, last = operator.inputs[0], chain[-1]
            tables[last.index] = Operator(last.index, "LOOKUP", [source], last.outputs, {"table": _table(graph, chain)})
            gone.update(part.index for part in chain[:-1])
    return [tables.get(operator.index, operator) for operator in graph.operators if operator.index not in gone]


def _chain(graph, operator, readers):
    """From a DEQUANTIZE to the QUANTIZE behind functions of its floats, else an empty list."""
    chain = [operator]
    if operator.kind != "DEQUANTIZE" or len(operator.inputs) != 1 or not _is_quantised(graph, operator.inputs[0]):
        return []
    while len(chain[-1].outputs) == 1:
        output = chain[-1].outputs[0]
        following = readers.get(output, [])
        if len(following) != 1 or output in graph.outputs or graph.tensors[output].dtype != np.float32:
            break
        chain += following
        if following[0].kind == "QUANTIZE" and len(following[0].outputs) == 1:
            return chain if _is_quantised(graph, following[0].outputs[0]) else []
        if following[0].kind not in FLOAT_FUNCTIONS:
            break
    return []


def _is_quantised(graph, index):
    """Whether a tensor is of int8 with one scale, and no constant."""
    tensor = graph.tensors[index]
    return index >= 0 and tensor.dtype == np.int8 and tensor.data is None and len(tensor.scale) == 1


def _table(graph, chain):
    """What the operators make of each int8, in the order of a function table."""
    values, = evaluate(graph, chain[0], {chain[0].inputs[0]: LEVELS})
    for operator in chain[1:-1]:
        values = FLOAT_FUNCTIONS[operator.kind](values)
    return evaluate(graph, chain[-1], {chain[-1].inputs[0]: values})[0].tolist()
