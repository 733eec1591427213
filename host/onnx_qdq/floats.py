"""What nobody quantises, or has no integer form here: the host computes it in floats, with ONNX Runtime.

All nodes between what is stored on one side and a QuantizeLinear, or an output of the model, on the other are one
operator, ONNX_FLOATS. Its last input is a model of these nodes; its option ``reason`` says why they are here, and
``integers`` has the places of inputs that the nodes see as integers, not as the reals that these stand for. What others
read of the nodes is stored as it is, in floats, so that nothing is computed twice.
"""

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from .result import Constant, Floats, Pending, Value, array_of, canonical

__all__ = ["FloatNodes"]


class FloatNodes:
    """Makes operators of nodes that stay in floats.

    Parameters
    ----------
    builder : GraphBuilder
    model : ModelProto
    results : dict from name to what it stands for
    shapes, types : callables, give the shape and the element type of a name
    """

    def __init__(self, builder, model, results, shapes, types):
        self._builder, self._model, self._results, self._shapes, self._types = builder, model, results, shapes, types
        self._stored = {}  # `Value` of names whose floats are stored
        nodes, graph = model.graph.node, model.graph
        self._makers = {output: index for index, node in enumerate(nodes) for output in node.output}
        self._readers = {}
        for index, node in enumerate(nodes):
            for name in node.input:
                self._readers.setdefault(name, set()).add(index)
        for info in graph.output:
            self._readers.setdefault(info.name, set()).add(None)
        self._taken = {*self._makers, *self._readers, *(info.name for info in (*graph.input, *graph.initializer))}

    def quantisable(self, name, reader):
        """What a QuantizeLinear is to quantise: a `Pending`, or a `Value` of floats if others read them, too.

        Parameters
        ----------
        name : str, its input
        reader : int, its place among the model's nodes
        """
        self._store_shared(name)
        if self._readers[name] == {reader}:
            return self._pending(name, canonical(len(self._shapes(name))))
        return self._store(name)

    @property
    def made(self):
        """Names that nodes of the model make."""
        return self._makers.keys()

    def output(self, name, dtype):
        """The tensor of an output of the model, in ONNX's order, which may be of another type than float."""
        self._store_shared(name)
        return self._emitted(name, name, tuple(range(len(self._shapes(name)))), dtype)

    def _store_shared(self, name):
        """Stores what others, too, will read of that which a name is made of."""
        inside, _ = self._before(name)
        for index in inside:
            for made in self._model.graph.node[index].output:
                readers = self._float_readers(made)
                if not readers.isdisjoint(inside) and readers - {*inside} and self._types(made) == TensorProto.FLOAT:
                    self._store(made)

    def _float_readers(self, name):
        """Nodes that read the floats of a name, None for an output."""
        readers = self._readers.get(name, set())
        if isinstance(self._results[name], Floats):
            return readers
        # It has an integer form for those that quantise it.
        return {index for index in readers - {None} if self._model.graph.node[index].op_type != "QuantizeLinear"}

    def _store(self, name):
        if name not in self._stored:
            shape = self._shapes(name)
            tensor = self._emitted(name, f"{name} (floats)", canonical(len(shape)), np.float32)
            self._stored[name] = self._builder.value(tensor, shape)
        return self._stored[name]

    def _emitted(self, name, label, order, dtype):
        """A tensor of what ONNX has under a name."""
        made = self._pending(name, order)
        target = self._builder.tensor(label, [made.shape[axis] for axis in order], dtype)
        return self._builder.operator(made.kind, made.inputs, target, **made.options)

    def _pending(self, name, order):
        """What ONNX has under a name, as an operator whose result's dimensions are stored in that order."""
        inside, known = self._before(name)
        nodes, inputs, tensors, constants, integers = [], [], [], [], []
        for source, result in known.items():
            if isinstance(result, Constant):
                constants.append(numpy_helper.from_array(array_of(result), source))
                continue
            kind = self._types(source)
            if kind != TensorProto.FLOAT:
                integers.append(len(tensors))
            tensors.append(result.tensor)
            stored, steps, shapes = self._in_onnx_order(source, result)
            nodes += steps
            constants += shapes
            inputs.append(helper.make_tensor_value_info(stored, kind, result.tensor.shape))
        nodes += [self._without(known, self._model.graph.node[index]) for index in inside]
        output = name
        if order != tuple(range(len(order))):
            output = self._new(f"{name} (stored)")
            nodes.append(helper.make_node("Transpose", [name], [output], perm=order))
        graph = helper.make_graph(nodes, "floats", inputs, [ValueInfoProto(name=output)], constants)
        content = helper.make_model(graph, opset_imports=self._model.opset_import,
                                    ir_version=self._model.ir_version).SerializeToString()
        tensors.append(self._builder.constant(f"{name} (model)", np.frombuffer(content, np.uint8)))
        result = self._results[name]
        reason = result.reason if isinstance(result, Floats) else f"{name!r} is read as floats, too"
        return Pending(self._builder.subject, "ONNX_FLOATS", tensors, self._shapes(name),
                       {"reason": reason, "integers": integers}, order=order)

    def _without(self, known, node):
        """The node, with other names for outputs that are stored already."""
        if known.keys().isdisjoint(node.output):
            return node
        again = NodeProto()
        again.CopyFrom(node)
        again.output[:] = [self._new(f"{name} (again)") if name in known else name for name in node.output]
        return again

    def _before(self, name):
        """Numbers of the nodes that make what has a name, in their order, and by name what they begin with."""
        chosen, known, ahead = set(), {}, [name]
        while ahead:
            source = ahead.pop()
            result = self._stored.get(source, self._results[source])
            if isinstance(result, (Constant, Value)):
                known[source] = result
            elif self._makers[source] not in chosen:
                chosen.add(self._makers[source])
                ahead += filter(None, self._model.graph.node[self._makers[source]].input)
        return sorted(chosen), known

    def _in_onnx_order(self, name, value):
        """A name for the tensor that stores what has a name, and nodes and constants that make this of that."""
        plain = [value.order.index(axis) for axis in range(len(value.order))]
        transposed, reshaped = plain != sorted(plain), value.shape != value.source
        if not (transposed or reshaped):
            return name, [], []
        nodes, constants, stored = [], [], self._new(f"{name} (stored)")
        last = stored
        if transposed:
            last = self._new(f"{name} (plain)") if reshaped else name
            nodes.append(helper.make_node("Transpose", [stored], [last], perm=plain))
        if reshaped:
            shape = self._new(f"{name} (shape)")
            constants.append(numpy_helper.from_array(np.array(value.shape, np.int64), shape))
            nodes.append(helper.make_node("Reshape", [last, shape], [name]))
        return stored, nodes, constants

    def _new(self, name):
        """A name that the model does not have."""
        while name in self._taken:
            name += "'"
        return name
