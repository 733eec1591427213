"""What ONNX Runtime makes of a model, and how far from it the chip is.

The QDQ form defines an operator in floats between two roundings; the chip computes in integers and rounds otherwise, so
that a result may differ by one unit of the last place (LSB) of its quantisation, and a difference is passed on.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from .onnx_qdq.result import IN_ONNX_ORDER, canonical, signed8
from .onnx_runtime import execute
from .operators import evaluate

__all__ = ["Difference", "differences", "reference_outputs"]


def reference_outputs(model, inputs):
    """Executes a model once, as it is written: no optimisation replaces its float operators.

    Parameters
    ----------
    model : path, or bytes of a .onnx file without external data
    inputs : list of arrays, in the order of the model's inputs; int8 for uint8 ones, as `onnx_qdq` has them

    Returns
    -------
    dict from name to array
        Of each output of the model, and of each QuantizeLinear as a `Graph` stores it: int8, images as NHWC; under the
        name with `IN_ONNX_ORDER` as ONNX has it.

    Errors
    ------
    ModelError
        If onnxruntime is not installed, or does not execute the model.
    """
    proto = onnx.ModelProto.FromString(model) if isinstance(model, bytes) else onnx.load(Path(model))
    outputs = [info.name for info in proto.graph.output]
    quantised = [node.output[0] for node in proto.graph.node if node.op_type == "QuantizeLinear"]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in quantised if name not in outputs)
    names = list(dict.fromkeys((*outputs, *quantised)))
    values = dict(zip(names, execute(proto.SerializeToString(), inputs, names, "comparing")))
    for name in quantised:
        values[name + IN_ONNX_ORDER] = signed8(values[name])
        values[name] = values[name + IN_ONNX_ORDER].transpose(canonical(values[name].ndim))
    return values


@dataclass(frozen=True)
class Difference:
    """How far an operator's output is from ONNX Runtime's, in LSB of its quantisation.

    Members
    -------
    operator : int, its number in the graph
    op, tensor : str, its kind and the name of its output
    largest : int, over all elements
    own : int, what the operator would differ by if its inputs did not: the rest comes from the operators before it
    count : int, elements that differ
    """
    operator: int
    op: str
    tensor: str
    largest: int
    own: int
    count: int


def differences(graph, inputs, computed, reference):
    """Compares the output of every operator that ONNX Runtime has as well.

    Parameters
    ----------
    graph : Graph
    inputs : mapping from tensor number to array
    computed : mapping from tensor number to array, for each operator's output
    reference : dict, as `reference_outputs` gives it

    Returns
    -------
    list of Difference, in the order of execution
    """
    expected, result = dict(inputs), []
    for operator in graph.operators:
        index, = operator.outputs
        tensor = graph.tensors[index]
        alone, = evaluate(graph, operator, expected)
        expected[index] = _as_stored(reference, tensor) if tensor.name in reference else alone
        if tensor.name in reference and index in computed:
            unit = _unit(graph, operator, expected[index])
            distance, own = (_distance(value, expected[index], unit) for value in (computed[index], alone))
            result.append(Difference(operator.index, operator.kind, tensor.name, int(distance.max()), int(own.max()),
                                     int(np.count_nonzero(distance))))
    return result


def _unit(graph, operator, expected):
    """What counts as one LSB: that of a quantised output, or of what reals were made of."""
    if expected.dtype == np.int8:
        return 1
    if operator.kind != "ONNX_FLOATS":
        return float(graph.tensors[operator.inputs[0]].scale[0])
    # ONNX Runtime beside itself: integers are equal, and reals nearly.
    largest = np.abs(expected, dtype=np.float64, where=np.isfinite(expected), out=np.zeros(expected.shape)).max()
    return largest * 2.0 ** -12 or 1 if expected.dtype == np.float32 else 0.5


def _distance(values, expected, unit):
    """Differences in such units, rounded; those that are infinite, or from what is no number, are the largest."""
    values, expected = values.astype(np.float64), expected.astype(np.float64)
    alike = (values == expected) | (np.isnan(values) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        units = np.where(alike, 0, np.abs(values - expected) / unit)
    return np.rint(np.minimum(np.nan_to_num(units, nan=np.inf), np.iinfo(np.int32).max)).astype(np.int64)


def _as_stored(reference, tensor):
    """ONNX Runtime's values of a tensor in its shape; ONNX may have fewer dimensions than the tensor."""
    values, shape = reference[tensor.name], tensor.shape
    if values.ndim == len(shape):
        return values
    values, order = reference.get(tensor.name + IN_ONNX_ORDER, values), canonical(len(shape))
    return values.reshape([shape[order.index(axis)] for axis in range(len(shape))]).transpose(order)
