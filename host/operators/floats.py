"""Nodes of an ONNX model that are computed in floats, with ONNX Runtime."""

from ..onnx_runtime import execute
from ..quantisation import onnx_integers, reals_of

__all__ = ["onnx_floats"]


def onnx_floats(node, *arrays):
    """What a model, the last input, makes of the reals of the others."""
    *values, model = arrays
    values = [reals_of(array, tensor.scale[0], tensor.zero_point[0]) if len(tensor.scale) else array
              for tensor, array in zip(node.inputs, values)]
    result, = execute(model.tobytes(), values, None, "computing in floats")
    if not len(node.output.scale):
        return result
    return onnx_integers(result, node.output.scale[0], node.output.zero_point[0])
