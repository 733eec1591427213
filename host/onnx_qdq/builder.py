"""Builds a `Graph` out of what an ONNX model says: fits layouts and quantisation of the one to those of the other.

ONNX has images as NCHW, `Graph` as NHWC: every tensor that an operator computes is stored NHWC if it has four
dimensions, else as in ONNX. Reshapes and transpositions of ONNX move nothing: a `Value` remembers them, and only an
operator that needs another order of elements than the stored one makes them move.

ONNX quantises in an operator of its own, so that what came before has no scale until then: it is `Pending`, or a
`SingleElement`.
"""

import math
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from systolith.sim.arithmetic import round_half_away

from .. import operators
from ..graph import Graph, Operator, Tensor, activation_range
from ..quantisation import LEVELS
from .result import IN_ONNX_ORDER, InFloats, Pending, SingleElement, Value, canonical, else_floats, own

__all__ = ["GraphBuilder"]

#: Operators that confine their result to the range of an activation themselves.
_CONFINE = frozenset({"ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MUL",
                      "SUB"})


class GraphBuilder:
    """Collects tensors and operators of a `Graph`.

    Parameters
    ----------
    name : str

    Members
    -------
    graph : Graph
    subject : str, the node at hand; errors that leave the builder begin with it
    """

    def __init__(self, name):
        self.graph = Graph(name, [], [], [], [])
        self.subject = ""
        self._moved, self._settled = {}, {}

    def tensor(self, name, shape, dtype=np.int8, quantisation=None, data=None):
        """A new tensor, quantised as a whole or not at all."""
        scale = [] if quantisation is None else [quantisation.scale]
        zero_point = [] if quantisation is None else [quantisation.zero_point]
        tensor = Tensor(len(self.graph.tensors), name, tuple(map(int, shape)), np.dtype(dtype),
                        np.array(scale, np.float32), np.array(zero_point, np.int64), 0, data)
        self.graph.tensors.append(tensor)
        return tensor

    def constant(self, name, data):
        """A new constant without scale: a bias, or what an operator is to do."""
        return self.tensor(name, data.shape, data.dtype, data=data)

    def integers(self, name, values):
        """A new int32 constant that says what an operator is to do."""
        return self.constant(name, np.array(values, np.int32))

    def channel_constant(self, name, data, scale, zero_point, axis):
        """A new int8 constant with one scale, or one for each index of a dimension."""
        tensor = self.constant(name, np.ascontiguousarray(data))
        tensor.scale, tensor.zero_point, tensor.axis = scale, zero_point, axis
        return tensor

    def operator(self, kind, inputs, output, **options):
        """Adds an operator; returns its output."""
        operator = Operator(len(self.graph.operators), kind, [t.index for t in inputs], [output.index], options)
        operators.check(self.graph, operator)
        self.graph.operators.append(operator)
        return output

    def value(self, tensor, shape):
        """The value that a computed tensor holds."""
        order = canonical(len(shape))
        return Value(tensor, tuple(shape), order, tuple(shape))

    def stored(self, value, order=None):
        """The value as a tensor whose dimension k is ONNX's dimension order[k]; canonical if no order is given."""
        order = canonical(len(value.shape)) if order is None else order
        if value.shape == value.source:
            return self._transposed(value.tensor, [value.order.index(axis) for axis in order])
        plain = self._transposed(value.tensor, [value.order.index(axis) for axis in range(len(value.source))])
        return self._transposed(self._reshaped(plain, value.shape), order)

    def _transposed(self, tensor, order):
        if list(order) == sorted(order):
            return tensor
        shape = tuple(tensor.shape[axis] for axis in order)
        long = [axis for axis in order if tensor.shape[axis] > 1]
        if long == sorted(long):
            return self._reshaped(tensor, shape)
        return self._move("TRANSPOSE", tensor, shape, tuple(order))

    def _reshaped(self, tensor, shape):
        return tensor if tensor.shape == shape else self._move("RESHAPE", tensor, shape, shape)

    def _move(self, kind, tensor, shape, how):
        """The tensor's elements under another shape, once for all who need them."""
        key = kind, tensor.index, how
        if key not in self._moved:
            moved = self.tensor(f"{tensor.name} ({kind.lower()})", shape, tensor.dtype)
            moved.scale, moved.zero_point = tensor.scale, tensor.zero_point
            self._moved[key] = self.operator(kind, [tensor, self.integers(f"{moved.name} how", how)], moved)
        return self._moved[key]

    def gathered(self, tensor, places, axis, name):
        """The tensor's elements of these indices of a dimension."""
        shape = [len(places) if number == axis else size for number, size in enumerate(tensor.shape)]
        return self.operator("GATHER", [tensor, self.integers(f"{name} indices", places)],
                             self.tensor(name, shape, np.int8, own(tensor)), axis=axis, batch_dims=0)

    def quantised(self, result, name, quantisation):
        """A result in that quantisation, as a `Value`."""
        if isinstance(result, Value):
            if result.tensor.dtype == np.int8 and own(result.tensor) == quantisation:
                return result
            image = replace(result, shape=result.source) if result.is_sequence else result
            result = Pending(self.subject, "QUANTIZE", [self.stored(image)], image.shape, view=result.shape)
        with self._about(result.subject):
            if isinstance(result, SingleElement):
                return self._looked_up(result, name, quantisation)
            if result.fixed in (None, quantisation):
                return self._emitted(result, name, quantisation)
            inner = self._emitted(replace(result, low=-math.inf, high=math.inf), f"{name} (own scale)", result.fixed)
            if (result.low, result.high) != (-math.inf, math.inf):
                inner = SingleElement.of(inner, result.subject).confined(result.low, result.high)
            return self.quantised(inner, name, quantisation)

    def settled(self, result, name):
        """The same for a result that nothing quantises: only one of a fixed quantisation needs nothing."""
        if isinstance(result, Value):
            return result
        if id(result) not in self._settled:
            with self._about(result.subject):
                else_floats(isinstance(result, Pending) and result.fixed,
                            f"has an output, {name!r}, that no QuantizeLinear quantises")
                self._settled[id(result)] = result, self.quantised(result, f"{name} (int8)", result.fixed)
        return self._settled[id(result)][1]

    def finished(self):
        """The graph, without what was made for a node that then stayed in floats, and that nobody reads."""
        needed, operators = set(self.graph.outputs), []
        for operator in reversed(self.graph.operators):
            if not needed.isdisjoint(operator.outputs):
                needed.update(operator.inputs)
                operators.append(operator)
        return self.graph.with_operators(operators[::-1])

    @contextmanager
    def attempt(self):
        """What ends in `InFloats` has added nothing; the error has its whole sentence then."""
        tensors, operators, subject = len(self.graph.tensors), len(self.graph.operators), self.subject
        try:
            yield
        except InFloats as error:
            sentence = f"{self.subject} {error}"
            del self.graph.tensors[tensors:], self.graph.operators[operators:]
            self.subject = subject
            self._moved = {key: made for key, made in self._moved.items() if made.index < tensors}
            self._settled = {key: made for key, made in self._settled.items() if made[1].tensor.index < tensors}
            raise InFloats(sentence) from None

    @contextmanager
    def _about(self, subject):
        """Errors are about another node than the one at hand."""
        before, self.subject = self.subject, subject
        yield
        self.subject = before

    def _looked_up(self, result, name, quantisation):
        table, value = result.table(quantisation), result.value
        if quantisation == own(value.tensor) and np.array_equal(table, LEVELS):
            return value
        if not value.is_sequence:
            value = self.value(self.stored(value), value.shape)
        output = self.tensor(name, value.tensor.shape, np.int8, quantisation)
        return replace(value, tensor=self.operator("LOOKUP", [value.tensor], output, table=table.tolist()))

    def _emitted(self, pending, name, quantisation):
        """The operator's result. The name of its tensor says how what ONNX has under it is stored."""
        shape, order = pending.shape, pending.order or canonical(len(pending.shape))
        view = shape if pending.view is None else pending.view
        if not (shape == view or len(view) < len(shape)):
            name = f"{name} (otherwise stored)"
        elif order != canonical(len(shape)):
            name += IN_ONNX_ORDER
        stored = tuple(shape[axis] for axis in order)
        return Value(self._emit(pending, name, stored, quantisation), shape, order, view)

    def _emit(self, pending, name, shape, quantisation):
        """The operator, and where it cannot confine its result, one that does."""
        low, high = (quantised(bound, quantisation) for bound in (pending.low, pending.high))
        activation = _activation(low, high, quantisation)
        confines = activation == "NONE" or (activation is not None and pending.kind in _CONFINE)
        inputs = pending.inputs
        if pending.uniform:
            inputs = [self._requantised(x, quantisation) if len(x.scale) else x for x in inputs]
        target = self.tensor(name if confines else f"{name} (not confined)", shape, np.int8, quantisation)
        self.operator(pending.kind, inputs, target, activation=activation if confines else "NONE", **pending.options)
        if confines:
            return target
        return self.operator("LOOKUP", [target], self.tensor(name, shape, np.int8, quantisation),
                             table=np.clip(LEVELS, low, high).tolist())

    def _requantised(self, tensor, quantisation):
        """A tensor, which may be a constant, in that quantisation."""
        if own(tensor) == quantisation:
            return tensor
        other = self.tensor(f"{tensor.name} (rescaled)", tensor.shape, np.int8, quantisation)
        if tensor.data is None:
            return self.operator("QUANTIZE", [tensor], other)
        reals = (tensor.data.astype(np.int64) - tensor.zero_point[0]) * float(tensor.scale[0])
        other.data = quantised(reals, quantisation)
        return other


def quantised(reals, quantisation):
    """Reals as int8, halves away from zero."""
    units = round_half_away(np.clip(np.divide(reals, quantisation.scale), -512, 512))
    return np.clip(units + quantisation.zero_point, -128, 127).astype(np.int8)


def _activation(low, high, quantisation):
    """The fused activation that leaves the int8 values from `low` to `high`, or None."""
    for activation in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
        if activation_range(activation, quantisation.scale, quantisation.zero_point) == (low, high):
            return activation
    return None
