"""Writes a .tflite model as the front end understood it, for an interpreter that takes a file at its word."""

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

__all__ = ["settled_bytes"]


def settled_bytes(content, graph):
    """The model with all sizes known, and without the operators that compute nothing but these.

    Where a converter was not given the batch, the file leaves both to the interpreter. TensorFlow Lite Micro computes
    no sizes, and lacks some operators on integers.

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
    if not folded and sizes == [tensor.shape for tensor in graph.tensors]:
        return content
    for table, tensor in zip(subgraph.tensors, graph.tensors, strict=True):
        table.shape, table.shapeSignature = list(tensor.shape), None
    for table in folded:
        for index in table.outputs:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(graph.tensors[index].data.tobytes(), np.uint8)
            subgraph.tensors[index].buffer = len(model.buffers)
            model.buffers.append(buffer)
    subgraph.operators = [table for table in subgraph.operators if table not in folded]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
