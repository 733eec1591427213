"""Writes small .tflite models, so that tests can vary what the shared ones fix: scales, options, damage."""

from dataclasses import dataclass

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

__all__ = ["Spec", "constant", "model", "one_operator", "serialise"]


@dataclass(frozen=True, eq=False)
class Spec:
    """A tensor to be written; `data` makes it a constant."""
    shape: tuple
    scale: object = 0.05
    zero_point: object = 0
    dtype: type = np.int8
    data: np.ndarray | None = None
    axis: int = 0


def constant(values, dtype=np.int32, **more):
    """A constant tensor, without scale unless one is given."""
    values = np.array(values, dtype)
    return Spec(values.shape, more.pop("scale", None), dtype=dtype, data=values, **more)


def model(tensors, operators, inputs, outputs):
    """The schema's object of a model.

    Parameters
    ----------
    tensors : list of Spec
    operators : list of (kind, input numbers, output numbers, options)
        Options are a name of the schema, as "Conv2DOptions", and a mapping to its attributes; or None.
    inputs, outputs : lists of tensor numbers
    """
    result = schema.ModelT()
    result.version, result.buffers, result.operatorCodes = 3, [schema.BufferT()], []
    subgraph = schema.SubGraphT()
    subgraph.name, subgraph.inputs, subgraph.outputs = b"main", list(inputs), list(outputs)
    subgraph.tensors, subgraph.operators = [], []
    result.subgraphs = [subgraph]
    for spec in tensors:
        table = schema.TensorT()
        table.name, table.shape = b"t%d" % len(subgraph.tensors), list(spec.shape)
        table.type = getattr(schema.TensorType, np.dtype(spec.dtype).name.upper())
        if spec.data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(spec.data.tobytes(), np.uint8)
            table.buffer = len(result.buffers)
            result.buffers.append(buffer)
        if spec.scale is not None:
            table.quantization = schema.QuantizationParametersT()
            table.quantization.scale = np.atleast_1d(spec.scale).astype(np.float32)
            table.quantization.zeroPoint = np.broadcast_to(spec.zero_point, table.quantization.scale.shape)
            table.quantization.quantizedDimension = spec.axis
        subgraph.tensors.append(table)
    for kind, sources, sinks, options in operators:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        table = schema.OperatorT()
        table.opcodeIndex, table.inputs, table.outputs = len(result.operatorCodes), list(sources), list(sinks)
        if options is not None:
            name, values = options
            table.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            table.builtinOptions = getattr(schema, name + "T")()
            for attribute, value in values.items():
                setattr(table.builtinOptions, attribute, value)
        result.operatorCodes.append(code)
        subgraph.operators.append(table)
    return result


def serialise(result):
    """Bytes of a schema's object."""
    builder = flatbuffers.Builder(4096)
    builder.Finish(result.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def one_operator(kind, inputs, output, options=None):
    """Bytes of a model of a single operator with an output or a list; inputs that are no constants are the model's."""
    outputs = output if isinstance(output, list) else [output]
    tensors = [*(spec for spec in inputs if spec is not None), *outputs]
    numbers, place = [], 0
    for spec in inputs:
        numbers.append(-1 if spec is None else place)
        place += spec is not None
    free = [index for index, spec in enumerate(tensors[:place]) if spec.data is None]
    sinks = list(range(place, len(tensors)))
    return serialise(model(tensors, [(kind, numbers, sinks, options)], free, sinks))
