"""Writes small quantised .onnx models, so that tests can vary what quantisers fix: scales, layouts, attributes."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, shape_inference

__all__ = ["QdqModel"]

_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int8): TensorProto.INT8,
          np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int64): TensorProto.INT64,
          np.dtype(np.float64): TensorProto.DOUBLE}


class QdqModel:
    """A model in the making; its methods take and give names of float values.

    Parameters
    ----------
    seed : int, of the weights
    activation : numpy type of the activations, int8 or uint8
    opset : int
    """

    def __init__(self, seed=0, activation=np.int8, opset=17):
        self.rng = np.random.default_rng(seed)
        self.activation, self.opset = np.dtype(activation), opset
        self.inputs, self.nodes, self.initializers = [], [], []

    def name(self, stem):
        """A new name."""
        return f"{stem}{len(self.nodes)}_{len(self.initializers)}"

    def constant(self, data, stem="c"):
        """An initializer."""
        name = self.name(stem)
        self.initializers.append(numpy_helper.from_array(np.asarray(data), name))
        return name

    def input(self, shape, dtype=np.float32, name="x"):
        """An input of the model."""
        self.inputs.append(helper.make_tensor_value_info(name, _TYPES[np.dtype(dtype)], shape))
        return name

    def node(self, kind, inputs, **attributes):
        """A node with one output."""
        output = self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def nodes_outputs(self, kind, inputs, count, **attributes):
        """A node with several outputs."""
        outputs = [self.name(f"{kind.lower()}{index}_") for index in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs

    def _parameters(self, scale, zero_point, dtype):
        return [self.constant(np.float32(scale), "scale"), self.constant(np.asarray(zero_point, dtype), "zero")]

    def quantise(self, value, scale=0.05, zero_point=3):
        """QuantizeLinear; the zero point is that of the int8 form. Gives the name of the integers."""
        offset = 128 if self.activation == np.uint8 else 0
        return self.node("QuantizeLinear",
                         [value, *self._parameters(scale, zero_point + offset, self.activation)])

    def dequantise(self, integers, scale=0.05, zero_point=3):
        """DequantizeLinear."""
        offset = 128 if self.activation == np.uint8 else 0
        return self.node("DequantizeLinear",
                         [integers, *self._parameters(scale, zero_point + offset, self.activation)])

    def qdq(self, value, scale=0.05, zero_point=3):
        """QuantizeLinear and DequantizeLinear."""
        return self.dequantise(self.quantise(value, scale, zero_point), scale, zero_point)

    def weights(self, shape, axis=None, scale=0.01, data=None):
        """An int8 constant into DequantizeLinear, with a scale for each index of `axis` if one is given."""
        data = self.rng.integers(-127, 128, shape, np.int8) if data is None else np.asarray(data, np.int8)
        if axis is None:
            return self.node("DequantizeLinear", [self.constant(data, "w"), *self._parameters(scale, 0, np.int8)])
        scales = (scale * self.rng.uniform(0.5, 1.5, data.shape[axis])).astype(np.float32)
        return self.node("DequantizeLinear", [self.constant(data, "w"), self.constant(scales, "scale"),
                                              self.constant(np.zeros(len(scales), np.int8), "zero")], axis=axis)

    def proto(self, *outputs, dtype=np.float32):
        """The model's message."""
        infos = [helper.make_tensor_value_info(name, _TYPES[np.dtype(dtype)], None) for name in outputs]
        graph = helper.make_graph(self.nodes, "g", self.inputs, infos, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        # An output must have a shape.
        return shape_inference.infer_shapes(model)
