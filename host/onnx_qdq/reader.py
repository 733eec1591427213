"""Walks over the nodes of an ONNX model."""

from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from ..graph import ModelError
from ..model_file import read_model
from .builder import GraphBuilder
from .elementwise import evaluated
from .functions import FUNCTIONS, ON_INTEGERS
from .node import Node
from .result import Constant, SingleElement, Value, need

__all__ = ["OLDEST_OPSET", "load", "parse"]

#: DequantizeLinear has a scale a channel from here on.
OLDEST_OPSET = 13

#: These do not mean the same of constants as ONNX's own evaluator says.
_QUANTISING = ("DequantizeLinear", "QuantizeLinear")

_INPUT_TYPES = {TensorProto.FLOAT: np.float32, TensorProto.INT8: np.int8, TensorProto.UINT8: np.int8}


def load(path):
    """The network in a .onnx file.

    Parameters
    ----------
    path : str or Path
        External data is looked for beside it.

    Errors
    ------
    ModelError
        If the file cannot be read, or `parse` refuses it.
    """
    return parse(read_model(path), Path(path).stem, Path(path).parent)


def parse(content, name="model", folder="."):
    """The network in the bytes of a .onnx file.

    Parameters
    ----------
    content : bytes
    name : str
    folder : str or Path, where external data lies

    Returns
    -------
    Graph
        Tensors that QuantizeLinear makes, inputs and float outputs have ONNX's names.

    Errors
    ------
    ModelError
        If the bytes are damaged, or the model is not a graph of supported operators between QuantizeLinear and
        DequantizeLinear of 8 bits, of fixed shapes (a first dimension that is left open is taken as 1).
    """
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise ModelError(f"model {name} is not an ONNX model") from None
    try:
        opsets = {entry.domain: entry.version for entry in model.opset_import}
        opset = opsets.get("", opsets.get("ai.onnx", 0))
        _require_supported(model.graph, opset)
        onnx.load_external_data_for_model(model, str(folder))
        return _Translation(name, _infer_shapes(model), opset).graph
    except ModelError as error:
        raise ModelError(f"model {name}: {error}") from None
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, OSError, ValueError) as error:
        # These are messages of several lines, of which the first says what is wrong.
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"model {name} is not a valid ONNX model: {reason}") from None


def _require_supported(graph, opset):
    """Refuses what can be seen without following the graph."""
    need(graph.node and graph.output, "holds no graph, expected an ONNX model")
    need(opset >= OLDEST_OPSET, f"has opset {opset}, expected {OLDEST_OPSET} or later")
    kinds = [node.op_type for node in graph.node]
    for node in graph.node:
        # protobuf gives bytes for what is not UTF-8.
        need(all(isinstance(text, str) for text in (node.op_type, node.name, node.domain, *node.input, *node.output)),
             "is damaged: a node has a name that is no text")
        need(not node.op_type.startswith(("QLinear", "ConvInteger", "MatMulInteger", "DynamicQuantize")),
             f"is quantised with {node.op_type}, expected the QDQ form (quantize_static with QuantFormat.QDQ)")
        need(node.domain in ("", "ai.onnx"), f"{_subject(node)} is of domain {node.domain!r}, expected ONNX's own")
    need("QuantizeLinear" in kinds and "DequantizeLinear" in kinds,
         "is a float model, expected QuantizeLinear and DequantizeLinear "
         "(quantise it with onnxruntime.quantization.quantize_static)")


def _subject(node):
    return f"{node.op_type} {(node.name or ', '.join(node.output))!r}"


def _infer_shapes(model):
    """The model with the shape and type of everything in it, for a batch of one."""
    onnx.checker.check_model(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    for info in model.graph.input:
        dims = info.type.tensor_type.shape.dim
        if info.name not in constants and dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    # What the file says of other tensors may speak of an open batch.
    del model.graph.value_info[:]
    for info in model.graph.output:
        info.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


class _Translation:
    """One pass over the nodes; `graph` is the result."""

    def __init__(self, name, model, opset):
        self._opset = opset
        self._builder = GraphBuilder(name)
        self._results = {t.name: Constant(numpy_helper.to_array(t)) for t in model.graph.initializer}
        self._types = {info.name: info.type.tensor_type
                       for info in (*model.graph.input, *model.graph.value_info, *model.graph.output)}
        for info in model.graph.input:
            if info.name not in self._results:
                self._results[info.name] = self._input(info)
        for proto in model.graph.node:
            self._builder.subject = _subject(proto)
            try:
                self._results |= zip(proto.output, self._node(proto))
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
        self.graph = self._builder.graph

    def _shape(self, name):
        dims = self._types[name].shape.dim if name in self._types and self._types[name].HasField("shape") else None
        need(dims is not None and all(dim.HasField("dim_value") and dim.dim_value > 0 for dim in dims),
             f"has {name!r} with a dynamic or empty shape, expected fixed sizes")
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

    def _node(self, proto):
        """What its outputs stand for."""
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
            return [Constant(array) for array in evaluated(node, [x and x.data for x in inputs])]
        self._require_types(proto, inputs)
        need(proto.op_type in FUNCTIONS, f"is not supported, expected one of {', '.join(sorted(FUNCTIONS))}")
        node.shapes = [self._shape(name) for name in proto.output if name]
        results = FUNCTIONS[proto.op_type](self._builder, node)
        need(not node.attributes, f"has {', '.join(node.attributes)}, which is not supported")
        results = results if isinstance(results, list) else [results]
        need(not any(proto.output[len(results):]), f"has {len(proto.output)} outputs, expected {len(results)}")
        return results

    def _require_types(self, proto, inputs):
        """Refuses a node that would compute on other numbers than the reals of ONNX's float32."""
        for name, x in zip(proto.input, inputs):
            kind = TensorProto.FLOAT if x is None or isinstance(x, Constant) else self._type(name)
            moves = proto.op_type in ON_INTEGERS and kind in (TensorProto.INT8, TensorProto.UINT8)
            need(kind == TensorProto.FLOAT or moves or proto.op_type in _QUANTISING,
                 f"computes on {name!r} of type {TensorProto.DataType.Name(kind)}, expected FLOAT")

    def _type(self, name):
        return self._types[name].elem_type if name in self._types else TensorProto.FLOAT

    def _output(self, name):
        """The tensor of an output: in ONNX's order, and float if ONNX has it so."""
        result, kind = self._results[name], self._type(name)
        need(kind in _INPUT_TYPES, f"has {name!r} of type {TensorProto.DataType.Name(kind)}, expected FLOAT, INT8 or "
             "UINT8")
        need(not isinstance(result, Constant), f"has the constant output {name!r}")
        if isinstance(result, SingleElement):
            # Nothing quantises it: its reals are as they are.
            x = self._builder.stored(result.value, tuple(range(len(result.value.shape))))
            return self._builder.operator("LOOKUP", [x], self._builder.tensor(name, x.shape, np.float32),
                                          table=result.levels.tolist())
        value = self._builder.settled(result, name)
        need(len(value.tensor.scale), f"has an output, {name!r}, that nothing quantises")
        tensor = self._builder.stored(value, tuple(range(len(value.shape))))
        if kind != TensorProto.FLOAT:
            return tensor
        return self._builder.operator("DEQUANTIZE", [tensor], self._builder.tensor(name, tensor.shape, np.float32))
