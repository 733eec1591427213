"""Writes a .tflite model as the front end understood it, for an interpreter that takes a file at its word."""

import copy

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

__all__ = ["settled_bytes"]


def settled_bytes(content, graph):
    """The model with all sizes known, without the operators that compute nothing but these, and padded by PAD alone.

    Where a converter was not given the batch, the file leaves sizes to the interpreter. TensorFlow Lite Micro computes
    none, lacks some operators on integers, and pads by SPACE_TO_BATCH_ND with a value that it does not initialise.

    Parameters
    ----------
    content : bytes of a .tflite file
    graph : Graph
        What `tflite.parse` made of it.

    Returns
    -------
    bytes
        `content` itself, if there is nothing to change.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    subgraph = model.subgraphs[0]
    folded = [table for table in subgraph.operators
              if all(graph.tensors[index].data is not None for index in table.outputs)]
    sizes = [tuple(map(int, [] if table.shape is None else table.shape)) for table in subgraph.tensors]
    padding = [operator for operator in graph.operators
               if operator.kind == "SPACE_TO_BATCH_ND" and graph.tensors[operator.inputs[2]].data.any()]
    if not folded and not padding and sizes == [tensor.shape for tensor in graph.tensors]:
        return content
    for table, tensor in zip(subgraph.tensors, graph.tensors, strict=True):
        table.shape, table.shapeSignature = list(tensor.shape), None
    for table in folded:
        for index in table.outputs:
            subgraph.tensors[index].buffer = _buffer(model, graph.tensors[index].data)
    subgraph.operators = [table for table in subgraph.operators if table not in folded]
    for operator in padding:
        _pad_before(model, graph, operator)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _buffer(model, values):
    """The number of a new buffer that holds an array."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _pad_before(model, graph, operator):
    """Gives the padding of a SPACE_TO_BATCH_ND to a PAD before it."""
    subgraph = model.subgraphs[0]
    x, amounts = graph.tensors[operator.inputs[0]], graph.tensors[operator.inputs[2]].data
    around = np.pad(amounts, ((1, 1), (0, 0)))

    def like(index, shape, values=None):
        """The number of a new tensor."""
        table = copy.copy(subgraph.tensors[index])
        table.shape, table.buffer = list(shape), 0 if values is None else _buffer(model, values)
        subgraph.tensors.append(table)
        return len(subgraph.tensors) - 1

    place, cut = next((place, table) for place, table in enumerate(subgraph.operators)
                      if table.outputs[0] == operator.outputs[0])
    pad = schema.OperatorT()
    pad.opcodeIndex = len(model.operatorCodes)
    pad.inputs = [operator.inputs[0], like(operator.inputs[2], around.shape, around)]
    pad.outputs = [like(operator.inputs[0], np.add(x.shape, around.sum(axis=1)))]
    cut.inputs = [pad.outputs[0], operator.inputs[1], like(operator.inputs[2], amounts.shape, 0 * amounts)]
    subgraph.operators.insert(place, pad)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.PAD
    model.operatorCodes.append(code)
