"""ONNX models: the file, and what can be said of a model without following its graph."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from ..graph import ModelError
from ..model_file import read_model
from .result import need
from .translation import subject, translated

__all__ = ["OLDEST_OPSET", "load", "parse"]

#: DequantizeLinear has a scale a channel from here on.
OLDEST_OPSET = 13


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
        If the bytes are damaged, or the model has no QuantizeLinear and DequantizeLinear of 8 bits, or no fixed shapes
        (a first dimension that is left open is taken as 1). Operators without an integer form are left to floats.
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
        return translated(name, _infer_shapes(model), opset)
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
        need(node.domain in ("", "ai.onnx"), f"{subject(node)} is of domain {node.domain!r}, expected ONNX's own")
    need("QuantizeLinear" in kinds and "DequantizeLinear" in kinds,
         "is a float model, expected QuantizeLinear and DequantizeLinear "
         "(quantise it with onnxruntime.quantization.quantize_static)")


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
