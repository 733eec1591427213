"""What nobody quantises, or has no integer form here: the host computes it in floats, with ONNX Runtime.

All nodes between what is quantised on one side and a QuantizeLinear, or an output of the model, on the other are one
operator, ONNX_FLOATS. Its last input is a model of these nodes.
"""

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from .result import Constant, Floats, Pending, Value, array_of, need

__all__ = ["in_floats"]


def in_floats(builder, model, name, results, shape, order):
    """What ONNX has under a name, as an operator that computes it in floats.

    Parameters
    ----------
    builder : GraphBuilder
    model : ModelProto, with the types of its names
    name : str
    results : dict from name to what it stands for
    shape : tuple of int, that ONNX gives it
    order : tuple of int, in which its dimensions are to be stored

    Returns
    -------
    Pending
    """
    wanted, known = _before(model, name, results)
    nodes, inputs, tensors, constants = [], [], [], []
    for source, result in known.items():
        if isinstance(result, Constant):
            constants.append(numpy_helper.from_array(array_of(result), source))
            continue
        tensor = result.tensor
        need(tensor.dtype == np.float32 or len(tensor.scale), f"computes in floats on {source!r}, which holds integers")
        tensors.append(tensor)
        steps, stored = _in_onnx_order(source, result)
        nodes += steps
        constants += [numpy_helper.from_array(np.array(step_shape, np.int64), where) for where, step_shape in stored]
        first = steps[0].input[0] if steps else source
        inputs.append(helper.make_tensor_value_info(first, TensorProto.FLOAT, tensor.shape))
    nodes += wanted
    output = name
    if order != tuple(range(len(shape))):
        output = f"{name} (stored)"
        nodes.append(helper.make_node("Transpose", [name], [output], perm=order))
    graph = helper.make_graph(nodes, "floats", inputs, [ValueInfoProto(name=output)], constants)
    content = helper.make_model(graph, opset_imports=model.opset_import,
                                ir_version=model.ir_version).SerializeToString()
    tensors.append(builder.constant(f"{name} (model)", np.frombuffer(content, np.uint8)))
    reason = results[name].reason if isinstance(results[name], Floats) else "no QuantizeLinear quantises it"
    return Pending(builder.subject, "ONNX_FLOATS", tensors, tuple(shape), {"reason": reason}, order=order)


def _before(model, name, results):
    """The nodes that make what has the name, in their order, and what they make it from: results by name."""
    makers = {output: index for index, node in enumerate(model.graph.node) for output in node.output}
    chosen, known, ahead = set(), {}, [name]
    while ahead:
        source = ahead.pop()
        if isinstance(results[source], (Constant, Value)):
            known[source] = results[source]
        elif makers[source] not in chosen:
            chosen.add(makers[source])
            ahead += filter(None, model.graph.node[makers[source]].input)
    return [model.graph.node[index] for index in sorted(chosen)], known


def _in_onnx_order(name, value):
    """Nodes that make what ONNX has under a name of the tensor that stores it, and their constants: (name, shape)."""
    nodes, constants, last = [], [], f"{name} (stored)"
    plain = [value.order.index(axis) for axis in range(len(value.order))]
    reshaped = value.shape != value.source
    if plain != sorted(plain):
        made = f"{name} (plain)" if reshaped else name
        nodes.append(helper.make_node("Transpose", [last], [made], perm=plain))
        last = made
    if reshaped:
        constants.append((f"{name} (shape)", value.shape))
        nodes.append(helper.make_node("Reshape", [last, constants[0][0]], [name]))
    return nodes, constants
