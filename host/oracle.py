"""The results that count as right: those of TensorFlow Lite Micro's reference kernels.

Only comparisons need it. It reads the model by itself, so that it shares no mistake with `host/tflite`.
"""

from pathlib import Path

import numpy as np
from systolith.rtl.errors import UserError
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

__all__ = ["OracleError", "reference_outputs"]


class OracleError(UserError):
    """The reference interpreter cannot execute a model; the message is one full sentence."""


def reference_outputs(model, inputs):
    """Executes a model once and keeps everything.

    Parameters
    ----------
    model : path, or bytes of a .tflite file
    inputs : list of arrays, in the order of the model's inputs

    Returns
    -------
    dict from tensor number to array, for each output of each operator

    Errors
    ------
    OracleError
        If TensorFlow Lite Micro does not execute the model.
    """
    content = model if isinstance(model, bytes) else Path(model).read_bytes()
    subgraph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    elements = sum(int(np.prod(tensor.shape)) for tensor in subgraph.tensors if tensor.shape is not None)
    # Every tensor stays in the arena; some kernels want scratch space of four bytes an element besides.
    try:
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=(1 << 20) + 8 * elements,
                                                     intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors)
        for index, value in enumerate(inputs):
            interpreter.set_input(value, index)
        interpreter.invoke()
    except RuntimeError as error:
        raise OracleError(f"there is nothing to check against: TensorFlow Lite Micro does not execute this model "
                          f"({error})") from None
    return {int(index): np.array(interpreter.GetTensor(index, 0)["tensor_data"])
            for operator in subgraph.operators for index in operator.outputs}
