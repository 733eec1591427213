"""Walks over the nodes of an ONNX model."""

import math

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from ..graph import ModelError
from .builder import GraphBuilder
from .elementwise import evaluated
from .floats import FloatNodes
from .functions import FUNCTIONS, ON_INTEGERS
from .node import Node
from .result import Constant, Floats, InFloats, Pending, SingleElement, Value, array_of, else_floats, need

__all__ = ["subject", "translated"]

#: These do not mean the same of constants as ONNX's own evaluator says.
_QUANTISING = ("DequantizeLinear", "QuantizeLinear")

_INPUT_TYPES = {TensorProto.FLOAT: np.float32, TensorProto.INT8: np.int8, TensorProto.UINT8: np.int8}


def subject(node):
    """A node as the subject of a sentence."""
    return f"{node.op_type} {(node.name or ', '.join(filter(None, node.output)))!r}"


def translated(name, model, opset):
    """The `Graph` of a model whose names all have a shape and a type; a ModelError where that cannot be."""
    return _Translation(name, model, opset).graph


class _Translation:
    """One pass over the nodes; `graph` is the result."""

    def __init__(self, name, model, opset):
        self._model, self._opset = model, opset
        self._builder = GraphBuilder(name)
        self._results = {t.name: Constant(numpy_helper.to_array(t)) for t in model.graph.initializer}
        self._types = {info.name: info.type.tensor_type
                       for info in (*model.graph.input, *model.graph.value_info, *model.graph.output)}
        for info in model.graph.input:
            if info.name not in self._results:
                self._results[info.name] = self._input(info)
        self._float_nodes = FloatNodes(self._builder, model, self._results, self._shape, self._type)
        for number, proto in enumerate(model.graph.node):
            self._builder.subject = subject(proto)
            try:
                self._results.update(zip(proto.output, self._node(proto, number)))
            except ModelError as error:
                raise ModelError(f"{self._builder.subject} {error}") from None
            except (IndexError, KeyError, TypeError, ValueError) as error:
                # Mostly numpy's, of a node whose inputs and attributes do not belong together.
                reason = str(error).strip().partition("\n")[0]
                raise ModelError(f"{self._builder.subject} has inputs or attributes that do not fit: "
                                 f"{reason}") from None
        self._builder.subject = "the model"
        for info in model.graph.output:
            try:
                self._builder.graph.outputs.append(self._output(info.name).index)
            except ModelError as error:
                raise ModelError(f"{self._builder.subject} {error}") from None
        self.graph = self._builder.finished()

    def _shape(self, name):
        dims = self._types[name].shape.dim if name in self._types and self._types[name].HasField("shape") else None
        need(dims is not None and all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in dims),
             f"has {name!r} with a dynamic or empty shape, expected fixed sizes")
        need(math.prod(dim.dim_value for dim in dims) < 1 << 31, f"has {name!r} of 2**31 elements or more")
        return tuple(dim.dim_value for dim in dims)

    def _input(self, info):
        kind = info.type.tensor_type.elem_type
        if kind not in _INPUT_TYPES:
            raise ModelError(f"input {info.name!r} has type {TensorProto.DataType.Name(kind)}, "
                             "expected FLOAT, INT8 or UINT8")
        shape = self._shape(info.name)
        tensor = self._builder.tensor(info.name, shape, _INPUT_TYPES[kind])
        self._builder.graph.inputs.append(tensor.index)
        return Value(tensor, shape, tuple(range(len(shape))), shape)

    def _node(self, proto, number):
        """What the outputs of the node with that number stand for."""
        need(not any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in proto.attribute),
             "holds a graph, which is not supported")
        attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        if proto.op_type == "Constant":
            (name, value), = attributes.items()
            if isinstance(value, TensorProto):
                return [Constant(numpy_helper.to_array(value))]
            return [Constant(np.array(value, np.float32 if name.startswith("value_float") else np.int64))]
        inputs = [self._results[name] if name else None for name in proto.input]
        node = Node(proto, self._opset, list(proto.input), inputs, list(proto.output), [], attributes, self._shape,
                    self._type)
        if proto.op_type not in _QUANTISING and all(
                x is None or (isinstance(x, Constant) and x.scale is None) for x in inputs):
            return self._constants(node)
        floats = next((x for x in inputs if isinstance(x, Floats)), None)
        if proto.op_type == "QuantizeLinear" and floats is not None:
            node.inputs[0] = self._float_nodes.quantisable(proto.input[0], number)
        if proto.op_type == "QuantizeLinear" or (proto.op_type == "DequantizeLinear" and floats is None):
            return self._translated(node)
        if floats is None or proto.op_type == "Shape":  # which looks at no element
            results = self._tried(lambda: self._translated(node))
            if not isinstance(results, Floats):
                return results
            floats = results
        return (self._constants(node) if all(x is None or isinstance(x, Constant) for x in inputs)
                else [floats] * len(proto.output))

    def _tried(self, function):
        """What the function returns, or `Floats` if that has no integer form; then it has added nothing."""
        try:
            with self._builder.attempt():
                return function()
        except InFloats as error:
            return Floats(str(error))

    def _constants(self, node):
        """What a node makes of constants."""
        arrays = evaluated(node, [x and array_of(x) for x in node.inputs])
        need(all(isinstance(array, (np.ndarray, np.generic)) for array in arrays), "makes no tensors of its constants")
        return [Constant(np.asarray(array)) for array in arrays]

    def _translated(self, node):
        """What its outputs stand for, made of the operators of a `Graph`."""
        proto = node.proto
        else_floats(proto.op_type in FUNCTIONS, "has no integer form here")
        self._require_types(proto, node.inputs)
        node.shapes = [self._shape(name) for name in proto.output if name]
        results = FUNCTIONS[proto.op_type](self._builder, node)
        else_floats(not node.attributes, f"has {', '.join(node.attributes)}, which has no integer form here")
        results = results if isinstance(results, list) else [results]
        else_floats(not any(proto.output[len(results):]), f"has {len(proto.output)} outputs, not {len(results)}")
        return results

    def _require_types(self, proto, inputs):
        """Leaves to floats a node that would compute on other numbers than the reals of ONNX's float32."""
        for name, x in zip(proto.input, inputs):
            kind = TensorProto.FLOAT if x is None or isinstance(x, Constant) else self._type(name)
            moves = proto.op_type in ON_INTEGERS and kind in (TensorProto.INT8, TensorProto.UINT8)
            else_floats(kind == TensorProto.FLOAT or moves or proto.op_type in _QUANTISING,
                        f"computes on {name!r} of type {TensorProto.DataType.Name(kind)}, expected FLOAT")

    def _type(self, name):
        return self._types[name].elem_type if name in self._types else TensorProto.FLOAT

    def _output(self, name):
        """The tensor of an output: in ONNX's order, and float if ONNX has it so."""
        result, kind = self._results[name], self._type(name)
        need(not isinstance(result, Constant), f"has the constant output {name!r}")
        if isinstance(result, Pending):
            result = self._tried(lambda: self._builder.settled(self._results[name], name))
            if isinstance(result, Floats):
                self._results[name] = result
        if isinstance(result, Floats) or (isinstance(result, Value) and result.tensor.dtype == np.float32):
            need(name in self._float_nodes.made, f"has an output, {name!r}, that nothing computes")
            dtype = helper.tensor_dtype_to_np_dtype(kind)
            need(dtype in (np.float32, np.int32, np.int64, np.bool_),
                 f"has {name!r} of type {dtype}, expected float32, int32, int64 or bool")
            return self._float_nodes.output(name, dtype)
        need(kind in _INPUT_TYPES, f"has {name!r} of type {TensorProto.DataType.Name(kind)}, expected FLOAT, INT8 or "
             "UINT8")
        if isinstance(result, SingleElement):
            # Nothing quantises it: its reals are as they are.
            x = self._builder.stored(result.value, tuple(range(len(result.value.shape))))
            return self._builder.operator("LOOKUP", [x], self._builder.tensor(name, x.shape, np.float32),
                                          table=result.levels.tolist())
        need(len(result.tensor.scale), f"has an output, {name!r}, that nothing computes")
        tensor = self._builder.stored(result, tuple(range(len(result.shape))))
        if kind != TensorProto.FLOAT:
            return tensor
        return self._builder.operator("DEQUANTIZE", [tensor], self._builder.tensor(name, tensor.shape, np.float32))
