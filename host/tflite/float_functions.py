"""Functions of single elements that a converter left in floats, as it does where int8 has no kernel for them (NEG)."""

import numpy as np

from ..graph import Operator
from ..operators import evaluate
from ..quantisation import LEVELS

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
    dict from that number to the numbers of the tensors of floats between
    """
    readers, writers = {}, {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
        for index in operator.outputs:
            writers.setdefault(index, []).append(operator)
    tables, floats, gone = {}, {}, set()
    for operator in graph.operators:
        chain = _chain(graph, operator, readers, writers)
        if chain:
            source, last = operator.inputs[0], chain[-1]
            tables[last.index] = Operator(last.index, "LOOKUP", [source], last.outputs, {"table": _table(graph, chain)})
            floats[last.index] = [part.outputs[0] for part in chain[:-1]]
            gone.update(part.index for part in chain[:-1])
    return [tables.get(operator.index, operator) for operator in graph.operators if operator.index not in gone], floats


def _chain(graph, operator, readers, writers):
    """From a DEQUANTIZE to the QUANTIZE behind functions of its floats, else an empty list."""
    if operator.kind != "DEQUANTIZE" or len(operator.inputs) != 1 or not _is_quantised(graph, operator.inputs[0]):
        return []
    chain = [operator]
    while len(chain[-1].outputs) == 1 and writers[output := chain[-1].outputs[0]] == [chain[-1]]:
        floats, following = graph.tensors[output], readers.get(output, [])
        if floats.dtype != np.float32 or output in (*graph.inputs, *graph.outputs) or len(following) != 1:
            return []
        if floats.sized and floats.shape != graph.tensors[operator.inputs[0]].shape:
            return []
        after, = following
        # In the order of execution: a damaged file may go in circles.
        if after.index < chain[-1].index or after.inputs != [output]:
            return []
        chain.append(after)
        if after.kind == "QUANTIZE":
            return chain if len(after.outputs) == 1 and _is_quantised(graph, after.outputs[0]) else []
        if after.kind not in FLOAT_FUNCTIONS:
            return []
    return []


def _is_quantised(graph, index):
    """Whether a tensor is of int8 with one scale, and no constant."""
    tensor = graph.tensors[index] if index >= 0 else None
    return tensor is not None and tensor.dtype == np.int8 and tensor.data is None and len(tensor.scale) == 1


def _table(graph, chain):
    """What the operators make of each int8, in the order of a function table."""
    values, = evaluate(graph, chain[0], {chain[0].inputs[0]: LEVELS})
    with np.errstate(over="ignore"):
        for operator in chain[1:-1]:
            values = FLOAT_FUNCTIONS[operator.kind](values)
        return evaluate(graph, chain[-1], {chain[-1].inputs[0]: values})[0].tolist()
