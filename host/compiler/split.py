"""Operators with several outputs become slices: a layer of the chip has one."""

from systolith.host.graph import Operator, integers

__all__ = ["split_into_slices"]

_SPLITS = ("SPLIT", "SPLIT_V", "UNPACK")


def split_into_slices(graph):
    """The same network with a STRIDED_SLICE for each output of SPLIT, SPLIT_V and UNPACK.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    Graph
        Tensors keep their numbers, constants come behind them; operators get new numbers.
    """
    tensors, operators = list(graph.tensors), []

    def constant(values):
        tensors.append(integers(len(tensors), values))
        return len(tensors) - 1

    for operator in graph.operators:
        if operator.kind not in _SPLITS:
            operators.append(operator)
            continue
        source = graph.tensors[operator.inputs[1 if operator.kind == "SPLIT" else 0]]
        axis = operator.options["axis"] if operator.kind == "UNPACK" else int(
            graph.tensors[operator.inputs[0 if operator.kind == "SPLIT" else 2]].data.item())
        axis, rank, first = axis % len(source.shape), len(source.shape), 0
        options = dict(begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, offset=False,
                       shrink_axis_mask=1 << axis if operator.kind == "UNPACK" else 0)
        for output in operator.outputs:
            last = first + (1 if operator.kind == "UNPACK" else graph.tensors[output].shape[axis])
            begin, end = [0] * rank, list(source.shape)
            begin[axis], end[axis] = first, last
            operators.append(Operator(0, "STRIDED_SLICE", [source.index, *map(constant, (begin, end, [1] * rank))],
                                      [output], dict(options)))
            first = last
    return graph.with_operators(operators, tensors)
