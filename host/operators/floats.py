"""Nodes of an ONNX model that are computed in floats, with ONNX Runtime."""

from ..graph import ModelError
from ..onnx_runtime import execute
from ..quantisation import onnx_integers, reals_of

__all__ = ["onnx_floats"]


def onnx_floats(node, *arrays):
    """What a model, the last input, makes of the others: of their reals, or of integers as they are."""
    *values, model = arrays
    values = [array if not len(tensor.scale) or index in node.options["integers"] else
              reals_of(array, tensor.scale[0], tensor.zero_point[0])
              for index, (tensor, array) in enumerate(zip(node.inputs, values))]
    try:
        result, = execute(model.tobytes(), values, None, "computing in floats")
    except ModelError as error:
        raise ModelError(f"{node.output.name!r}: {error}") from None
    if not len(node.output.scale):
        return result
    return onnx_integers(result, node.output.scale[0], node.output.zero_point[0])
