"""Reads .tflite files: fully int8 models become a `Graph`, anything else is refused with one sentence.

Everything is checked here, once: a `Graph` from this module can be evaluated, and no later stage doubts its shapes.
"""

import math
import re
import struct
from pathlib import Path

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from ..graph import MOST_DIMENSIONS, Graph, ModelError, Operator, Tensor
from ..model_file import read_model
from .constant_folding import FOLDABLE
from .float_functions import FLOAT_FUNCTIONS
from .rules import KINDS, settled

__all__ = ["load", "parse"]


def _names(enum):
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_CODES = _names(schema.BuiltinOperator)
_TYPES = _names(schema.TensorType)
_ENUMS = {"activation": _names(schema.ActivationFunctionType), "padding": _names(schema.Padding)}
_DTYPES = {"INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
           "FLOAT32": np.float32, "BOOL": np.bool_}
#: Options whose name in the schema is not the plain one in another spelling.
_PLAIN_NAMES = {"fused_activation_function": "activation", "dilation_h_factor": "dilation_h",
                "dilation_w_factor": "dilation_w", "filter_height": "filter_h", "filter_width": "filter_w"}
#: Types of what is computed; integers of other types are constants and shapes.
_ACTIVATIONS = (np.int8, np.uint8, np.float32, np.bool_)


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
        Float is accepted only from an input into QUANTIZE, from DEQUANTIZE to an output, and from DEQUANTIZE through
        functions of single elements (`float_functions`) to QUANTIZE.
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
    tables = _list(subgraph.tensors)

    def numbers(what, values, least=0):
        values = [int(value) for value in _list(values)]
        for value in values:
            if not least <= value < len(tables):
                raise ModelError(f"{what} name tensor {value}, expected one of {len(tables)}")
        return values

    inputs, outputs = numbers("the inputs", subgraph.inputs), numbers("the outputs", subgraph.outputs)
    tensors = [_tensor(model, index, table, index in inputs) for index, table in enumerate(tables)]
    graph = Graph(name, tensors, [], inputs, outputs)
    for index, table in enumerate(_list(subgraph.operators)):
        kind = _kind(model, index, table)
        where = f"operator {index} ({kind})"
        graph.operators.append(Operator(index, kind, numbers(f"the inputs of {where}", table.inputs, -1),
                                        numbers(f"the outputs of {where}", table.outputs), _options(table, where)))
    return settled(graph)


def _list(vector):
    return [] if vector is None else vector


def _tensor(model, index, table, is_input):
    label = (table.name or b"").decode(errors="replace")
    where = f"tensor {index} ({label!r})"
    type_name = _TYPES.get(table.type, str(table.type))
    if type_name not in _DTYPES:
        raise ModelError(f"{where} has type {type_name}, expected INT8")
    dtype = np.dtype(_DTYPES[type_name])
    shape = tuple(int(size) for size in _list(table.shape))
    # Where a converter was not given the batch, it writes 1 for each size that depends on it. For the batch of an input
    # that is right, of what operators make they know better.
    unknown = {axis for axis, size in enumerate(_list(table.shapeSignature)) if size < 0}
    follows = dtype in _ACTIVATIONS and not is_input
    if (not follows and unknown - {0}) or any(size < 1 for size in shape) or math.prod(shape) >= 1 << 31:
        raise ModelError(f"{where} has the dynamic or empty shape {list(shape)}, expected fixed sizes: "
                         "convert the model with its batch and all other sizes given")
    if len(shape) > MOST_DIMENSIONS:
        raise ModelError(f"{where} has {len(shape)} dimensions, expected {MOST_DIMENSIONS} at most")
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
    return Tensor(index, label, shape, dtype, *_quantisation(table.quantization, shape, dtype, where), data,
                  sized=not unknown or is_input or data is not None)


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
    if kind not in KINDS | FOLDABLE | FLOAT_FUNCTIONS.keys():
        raise ModelError(f"operator {index} is {kind}, expected one of "
                         f"{', '.join(sorted(KINDS | FLOAT_FUNCTIONS.keys()))}")
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
