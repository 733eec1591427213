"""Reads .onnx files: models quantised to 8 bits in the QDQ form become a `Graph`, others are refused.

In that form each operator computes on floats between DequantizeLinear and QuantizeLinear. Here the three become one
integer operator, with the arithmetic of TensorFlow Lite: `translation` walks over the nodes, `functions` says what
becomes of each, `builder` makes layouts and quantisation meet. What has no integer form stays as it is (`floats`).
uint8 tensors become int8 ones, values and zero points less by 128. Inputs and outputs keep ONNX's order of dimensions.
"""

from .reader import OLDEST_OPSET, load, parse

__all__ = ["OLDEST_OPSET", "load", "parse"]
