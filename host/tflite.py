"""Reads .tflite files: fully int8 models become a `Graph`, anything else is refused with one sentence.

Everything is checked here, once: a `Graph` from this module can be evaluated, and no later stage doubts its shapes.
"""

import math
import re
import struct
from pathlib import Path

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from . import operators
from .constant_folding import FOLDABLE, fold
from .graph import Graph, ModelError, Operator, Tensor
from .model_file import read_model

__all__ = ["KINDS", "load", "parse"]

#: Kinds of operators that are read; LOOKUP is none of TensorFlow Lite's.
KINDS = operators.SUPPORTED - {"LOOKUP"}


def _names(enum):
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_CODES = _names(schema.BuiltinOperator)
_TYPES = _names(schema.TensorType)
_ENUMS = {"activation": _names(schema.ActivationFunctionType), "padding": _names(schema.Padding)}
_DTYPES = {"INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
           "FLOAT32": np.float32}
#: Options whose name in the schema is not the plain one in another spelling.
_PLAIN_NAMES = {"fused_activation_function": "activation", "dilation_h_factor": "dilation_h",
                "dilation_w_factor": "dilation_w", "filter_height": "filter_h", "filter_width": "filter_w"}
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def load(path):
    """The network in a .tflite file.

    Parameters
    ----------
    path : str or Path

    Errors
    ------
    ModelError
        If the file cannot be read, or `parse` refuses it.
    """
    return parse(read_model(path), Path(path).stem)


def parse(content, name="model"):
    """The network in the bytes of a .tflite file.

    Errors
    ------
    ModelError
        If the bytes are damaged, or the model is not one graph of supported operators on int8 tensors of fixed shape.
        Float is accepted only from an input into QUANTIZE and from DEQUANTIZE to an output.
    """
    if content[4:8] != b"TFL3":
        raise ModelError(f"model {name} is not a TensorFlow Lite model: bytes 4 to 7 must be b'TFL3', "
                         f"not {content[4:8]!r}")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        counts = [len(part) for part in (model.subgraphs, model.operatorCodes, model.buffers)]
    except (struct.error, TypeError, ValueError):
        # The generated reader follows every offset in the file unchecked.
        raise ModelError(f"model {name} is damaged: its tables lead outside its {len(content)} bytes") from None
    try:
        if counts[0] != 1:
            raise ModelError(f"must have one subgraph, not {counts[0]}")
        return _graph(model, name)
    except ModelError as error:
        raise ModelError(f"model {name}: {error}") from None


def _graph(model, name):
    subgraph = model.subgraphs[0]
    tensors = [_tensor(model, index, table) for index, table in enumerate(_list(subgraph.tensors))]

    def numbers(what, values, least=0):
        values = [int(value) for value in _list(values)]
        for value in values:
            if not least <= value < len(tensors):
                raise ModelError(f"{what} name tensor {value}, expected one of {len(tensors)}")
        return values

    graph = Graph(name, tensors, [], numbers("the inputs", subgraph.inputs), numbers("the outputs", subgraph.outputs))
    for index, table in enumerate(_list(subgraph.operators)):
        kind = _kind(model, index, table)
        where = f"operator {index} ({kind})"
        operator = Operator(index, kind, numbers(f"the inputs of {where}", table.inputs, -1),
                            numbers(f"the outputs of {where}", table.outputs), _options(table, where))
        try:
            if not fold(graph, operator):
                graph.operators.append(operator)
        except ModelError as error:
            raise ModelError(f"{where} {error}") from None
    if not graph.operators:
        raise ModelError("has no operators")
    _check(graph)
    return graph.with_operators(graph.operators)


def _list(vector):
    return [] if vector is None else vector


def _tensor(model, index, table):
    label = (table.name or b"").decode(errors="replace")
    where = f"tensor {index} ({label!r})"
    type_name = _TYPES.get(table.type, str(table.type))
    if type_name not in _DTYPES:
        raise ModelError(f"{where} has type {type_name}, expected INT8")
    dtype = np.dtype(_DTYPES[type_name])
    shape = tuple(int(size) for size in _list(table.shape))
    # Converters mark the batch as unknown but size the graph for one: only other unknown dimensions are dynamic.
    unknown = [axis for axis, size in enumerate(_list(table.shapeSignature)) if size < 0 and axis > 0]
    if unknown or any(size < 1 for size in shape) or math.prod(shape) >= 1 << 31:
        raise ModelError(f"{where} has the dynamic or empty shape {list(shape)}, expected fixed sizes: "
                         "convert the model with its batch and all other sizes given")
    if not 0 <= table.buffer < len(model.buffers):
        raise ModelError(f"{where} has buffer {table.buffer}, expected one of {len(model.buffers)}")
    content = model.buffers[table.buffer].data
    data = None
    if content is not None and len(content):
        content = np.asarray(content, np.uint8)
        if content.size != math.prod(shape) * dtype.itemsize:
            raise ModelError(f"{where} of shape {list(shape)} has {content.size} bytes of data, "
                             f"expected {math.prod(shape) * dtype.itemsize}")
        data = content.view(dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    return Tensor(index, label, shape, dtype, *_quantisation(table.quantization, shape, dtype, where), data)


def _quantisation(table, shape, dtype, where):
    """Scales, zero points and the dimension they belong to."""
    scale = np.array(_list(table.scale if table else None), np.float32)
    zero_point = np.array(_list(table.zeroPoint if table else None), np.int64)
    axis = int(table.quantizedDimension) if table else 0
    if dtype not in (np.int8, np.uint8) or not scale.size:
        return scale, zero_point, axis
    if not zero_point.size:
        zero_point = np.zeros(scale.size, np.int64)
    if scale.size > 1 and not (0 <= axis < len(shape) and scale.size == shape[axis]):
        raise ModelError(f"{where} of shape {list(shape)} has {scale.size} scales for dimension {axis}, "
                         "expected one, or one for each index")
    # Within these bounds no quotient of scales leaves float32; dead channels have scales down to about 1e-11.
    in_range = (scale >= 1e-30) & (scale <= 1e8)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    if scale.size != zero_point.size or not np.all(in_range & (zero_point >= low) & (zero_point <= high)):
        raise ModelError(f"{where} has scales or zero points out of range, expected scales between 1e-30 and 1e8 and "
                         f"as many zero points between {low} and {high}")
    return scale, zero_point, axis


def _kind(model, index, table):
    if not 0 <= table.opcodeIndex < len(model.operatorCodes):
        raise ModelError(f"operator {index} has code {table.opcodeIndex}, expected one of {len(model.operatorCodes)}")
    code = model.operatorCodes[table.opcodeIndex]
    # Codes below 127 are in the older of two fields, and the newer field of an older file is 0.
    kind = _CODES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "unknown")
    if kind == "CUSTOM":
        kind = f"custom {(code.customCode or b'').decode(errors='replace')}"
    if kind not in KINDS | FOLDABLE:
        raise ModelError(f"operator {index} is {kind}, expected one of {', '.join(sorted(KINDS))}")
    return kind


def _options(table, where):
    options = {}
    for schema_name, value in vars(table.builtinOptions).items() if table.builtinOptions else ():
        name = re.sub("([A-Z])", r"_\1", schema_name).lower()
        name = _PLAIN_NAMES.get(name, name)
        if name in _ENUMS:
            if value not in _ENUMS[name]:
                raise ModelError(f"{where} has {name} {value}, expected one of {', '.join(_ENUMS[name].values())}")
            value = _ENUMS[name][value]
        elif isinstance(value, np.ndarray):
            value = value.tolist()
        if value is not None:
            options[name] = value
    return options


def _check(graph):
    """Types, order of execution, and each operator's own rules."""
    known = {index for index, tensor in enumerate(graph.tensors) if tensor.data is not None}
    constants = frozenset(known)
    known.update(graph.inputs)
    for operator in graph.operators:
        where = f"operator {operator.index} ({operator.kind})"
        for index in operator.inputs:
            if index >= 0 and index not in known:
                raise ModelError(f"{where} reads tensor {index} before anything writes it")
        if any(index in known for index in operator.outputs):
            raise ModelError(f"{where} writes a tensor that already has a value")
        known.update(operator.outputs)
        _check_types(graph, operator, constants, where)
        if operator.kind not in KINDS:
            raise ModelError(f"{where} is supported only where its inputs are integer constants or shapes")
        try:
            operators.check(graph, operator)
        except ModelError as error:
            raise ModelError(f"{where} {error}") from None
    for index in graph.outputs:
        if index not in known:
            raise ModelError(f"nothing writes the output, tensor {index}")


def _check_types(graph, operator, constants, where):
    activations = [index for index in (*operator.inputs, *operator.outputs) if index >= 0 and index not in constants]
    fixed = [graph.tensors[index] for index in operator.inputs if index in constants]
    at_border = {"QUANTIZE": graph.inputs, "DEQUANTIZE": graph.outputs}.get(operator.kind, ())
    for index in activations:
        tensor = graph.tensors[index]
        if tensor.dtype == np.float32 and index not in at_border:
            if any(constant.dtype == np.int8 for constant in fixed):
                raise ModelError(f"{where} has float activations with int8 weights (a dynamic-range model), "
                                 "expected a fully int8 model")
            raise ModelError(f"{where} works on floats (tensor {index}), expected a fully int8 model; "
                             "float is allowed only from an input into QUANTIZE and from DEQUANTIZE to an output")
        at_end = operator.kind == "QUANTIZE" and index in (*graph.inputs, *graph.outputs)
        if tensor.dtype not in (np.int8, np.float32) and not (tensor.dtype == np.uint8 and at_end):
            raise ModelError(f"{where} has {tensor.dtype} activations (tensor {index}), expected int8; uint8 is "
                             "allowed only from an input into QUANTIZE and from QUANTIZE to an output")
    for tensor in fixed:
        if tensor.dtype not in (np.int8, np.int32, np.int64):
            raise ModelError(f"{where} has a {tensor.dtype} constant (tensor {tensor.index}), expected int8 or int32")
    for place, index in enumerate((*operator.inputs, *operator.outputs)):
        tensor = graph.tensors[index]
        several = operator.kind in _WEIGHTED and place == 1
        right = len(tensor.scale) == 1 or (several and len(tensor.scale))
        if index >= 0 and tensor.dtype in (np.int8, np.uint8) and not right:
            raise ModelError(f"{where} has tensor {index} with {len(tensor.scale)} scales, expected one")
