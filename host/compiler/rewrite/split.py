"""Operators with several outputs become slices: a layer of the chip has one."""

from systolith.host.graph import Operator

from .rewriter import replaced

__all__ = ["split_into_slices"]

_SPLITS = ("SPLIT", "SPLIT_V", "UNPACK")


def split_into_slices(graph):
    """With a STRIDED_SLICE for each output of SPLIT, SPLIT_V and UNPACK."""
    return replaced(graph, _slices)


def _slices(rewriter, operator):
    if operator.kind not in _SPLITS:
        return None
    tensors, slices = rewriter.tensors, []
    source = tensors[operator.inputs[1 if operator.kind == "SPLIT" else 0]]
    axis = operator.options["axis"] if operator.kind == "UNPACK" else int(
        tensors[operator.inputs[0 if operator.kind == "SPLIT" else 2]].data.item())
    axis, rank, first = axis % len(source.shape), len(source.shape), 0
    options = dict(begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, offset=False,
                   shrink_axis_mask=1 << axis if operator.kind == "UNPACK" else 0)
    for output in operator.outputs:
        last = first + (1 if operator.kind == "UNPACK" else tensors[output].shape[axis])
        begin, end = [0] * rank, list(source.shape)
        begin[axis], end[axis] = first, last
        slices.append(Operator(0, "STRIDED_SLICE",
                               [source.index, *map(rewriter.constant, (begin, end, [1] * rank))], [output],
                               dict(options)))
        first = last
    return [operator], slices
