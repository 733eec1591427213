"""ONNX Runtime, executing a model as it is written: no optimisation replaces its operators."""

from functools import lru_cache

import numpy as np

from .graph import ModelError

__all__ = ["execute"]


def execute(content, inputs, names, purpose):
    """Executes a model once.

    Parameters
    ----------
    content : bytes of a .onnx file without external data
    inputs : list of arrays, in the order of the model's inputs; int8 for uint8 ones, of the same reals
    names : list of str, what is wanted
    purpose : str, what needs it: the subject of a sentence, if it is not installed

    Returns
    -------
    list of arrays, one for each name

    Errors
    ------
    ModelError
        If onnxruntime is not installed, or does not execute the model.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise ModelError(f"{purpose} needs ONNX Runtime: pip install 'systolith[onnx]'") from None
    try:
        session = _session(onnxruntime, content)
        # NumPy makes numbers of some arrays without dimensions.
        feeds = {info.name: np.asarray(value.view(np.uint8) ^ 0x80 if info.type == "tensor(uint8)" else value)
                 for info, value in zip(session.get_inputs(), inputs, strict=True)}
        return session.run(names, feeds)
    except Exception as error:  # ONNX Runtime's exceptions share no class
        reason = str(error).partition("\n")[0]
        raise ModelError(f"ONNX Runtime does not execute the model: {reason}") from None


@lru_cache(maxsize=1024)
def _session(onnxruntime, content):
    """Loading takes longer than executing: of a network with several such models each inference needs all again."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # threads of its own for each of them would be many
    options.log_severity_level = 4  # the sentence says it
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
