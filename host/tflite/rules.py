"""Goes through a .tflite model's operators in order: folds constants, gives tensors their sizes, refuses the rest."""

import numpy as np

from .. import operators
from ..graph import ModelError
from ..operators.comparison_rules import truth_values
from .constant_folding import FOLDABLE, fold
from .float_functions import FLOAT_FUNCTIONS, tabulated

__all__ = ["KINDS", "settled"]

#: Kinds of operators that are executed, without those that TensorFlow Lite does not have.
KINDS = operators.SUPPORTED - {"LOOKUP", "ONNX_FLOATS"}
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def settled(graph):
    """The same network without operators on integer constants and shapes, all tensors with their constants and sizes.

    Parameters
    ----------
    graph : Graph
        As a file has it. Its tensors are changed.

    Errors
    ------
    ModelError
        If an operator reads what nothing has written, or breaks a rule of its own or of types.
    """
    known = {tensor.index for tensor in graph.tensors if tensor.data is not None} | set(graph.inputs)
    executed = []
    unchecked, floats = tabulated(graph)
    for operator in unchecked:
        where = f"operator {operator.index} ({operator.kind})"
        for index in operator.inputs:
            if index >= 0 and index not in known:
                raise ModelError(f"{where} reads tensor {index} before anything writes it")
        if any(index in known for index in operator.outputs):
            raise ModelError(f"{where} writes a tensor that already has a value")
        known.update(operator.outputs)
        try:
            if fold(graph, operator):
                continue
            _check_types(graph, operator)
            if operator.kind not in operators.SUPPORTED:
                raise ModelError("is supported only where its inputs are integer constants or shapes"
                                 if operator.kind in FOLDABLE else "is supported only between DEQUANTIZE and QUANTIZE")
            operators.check(graph, operator)
        except ModelError as error:
            raise ModelError(f"{where} {error}") from None
        for index in floats.get(operator.index, ()):
            graph.tensors[index].shape, graph.tensors[index].sized = graph.tensors[operator.outputs[0]].shape, True
        executed.append(operator)
    if not executed:
        raise ModelError("has no operators")
    for index in graph.outputs:
        if index not in known:
            raise ModelError(f"nothing writes the output, tensor {index}")
    return graph.with_operators(executed)


def _check_types(graph, operator):
    tensors = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    fixed = [tensor for tensor in tensors if tensor.data is not None]
    at_border = {"QUANTIZE": graph.inputs, "DEQUANTIZE": graph.outputs}.get(operator.kind, ())
    for tensor in tensors:
        index = tensor.index
        if tensor.data is not None:
            continue
        if tensor.dtype == np.float32 and index not in at_border:
            if any(constant.dtype == np.int8 for constant in fixed):
                raise ModelError("has float activations with int8 weights (a dynamic-range model), "
                                 "expected a fully int8 model")
            raise ModelError(f"works on floats (tensor {index}), expected a fully int8 model; float is allowed only "
                             "from an input into QUANTIZE, from DEQUANTIZE to an output, and from DEQUANTIZE through "
                             f"{', '.join(sorted(FLOAT_FUNCTIONS))} to QUANTIZE")
        if tensor.dtype == np.bool_ and index in truth_values(operator) and index not in graph.inputs:
            continue
        at_end = operator.kind == "QUANTIZE" and index in (*graph.inputs, *graph.outputs)
        if tensor.dtype not in (np.int8, np.float32) and not (tensor.dtype == np.uint8 and at_end):
            raise ModelError(f"has {tensor.dtype} activations (tensor {index}), expected int8; uint8 is "
                             "allowed only from an input into QUANTIZE and from QUANTIZE to an output")
    for tensor in fixed:
        if tensor.dtype not in (np.int8, np.int32, np.int64):
            raise ModelError(f"has a {tensor.dtype} constant (tensor {tensor.index}), expected int8 or int32")
    for place, index in enumerate((*operator.inputs, *operator.outputs)):
        if index < 0:
            continue
        tensor = graph.tensors[index]
        several = operator.kind in _WEIGHTED and place == 1
        right = len(tensor.scale) == 1 or (several and len(tensor.scale))
        if tensor.dtype in (np.int8, np.uint8) and not right:
            raise ModelError(f"has tensor {index} with {len(tensor.scale)} scales, expected one")
