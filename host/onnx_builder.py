"""Builds a `Graph` out of what an ONNX model says: fits layouts and quantisation of the one to those of the other.

ONNX has images as NCHW, `Graph` as NHWC: every tensor that an operator computes is stored NHWC if it has four
dimensions, else as in ONNX. Reshapes and transpositions of ONNX move nothing: a `Value` remembers them, and only an
operator that needs another order of elements than the stored one makes the host transpose.

ONNX quantises in an operator of its own, so that what came before has no scale until then: it is `Pending`.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from systolith.sim.arithmetic import round_half_away

from . import operators
from .graph import Graph, ModelError, Operator, Tensor, activation_range

__all__ = ["Constant", "GraphBuilder", "Pending", "Quantisation", "Value", "canonical", "need", "signed8"]


def need(condition, sentence):
    """Refuses the node at hand with a sentence whose subject, the node, the caller adds."""
    if not condition:
        raise ModelError(sentence)


def canonical(rank):
    """The order in which the dimensions of a computed tensor are stored: channels last."""
    return (0, 2, 3, 1) if rank == 4 else tuple(range(rank))


def signed8(array):
    """An uint8 array as the int8 array of the same reals under a zero point less by 128; others as they are."""
    return (array ^ 0x80).view(np.int8) if array.dtype == np.uint8 else array


@dataclass(frozen=True)
class Quantisation:
    """Scale (float32) and zero point (int8) of a whole tensor."""
    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class Constant:
    """Data in ONNX's order; integers stand for reals by `scale` and `zero_point`, one or one an index of `axis`."""
    data: np.ndarray
    scale: np.ndarray | None = None
    zero_point: np.ndarray | None = None
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Value:
    """What a name of the ONNX model stands for: a tensor, and how to read it.

    Members
    -------
    tensor : Tensor
    source : tuple of int, the shape in ONNX's order of dimensions that the tensor stores
    order : tuple of int, dimension k of the tensor is dimension order[k] of `source`
    shape : tuple of int, the shape that ONNX gives the same elements now
    """
    tensor: Tensor
    source: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]

    def elements(self):
        """For each element as it is stored, its place in ONNX's order."""
        return np.arange(math.prod(self.source)).reshape(self.source).transpose(self.order).reshape(-1)


@dataclass(frozen=True, eq=False)
class Pending:
    """An operator that will be added when the quantisation of its result is known.

    Members
    -------
    subject : str, the node, for errors
    kind, inputs, options : as of `Operator`, the inputs as tensors
    shape : tuple of int, of the result, in ONNX's order
    low, high : float, what Relu and Clip leave of the result
    fixed : Quantisation or None, the only one in which the operator can give its result
    """
    subject: str
    kind: str
    inputs: list[Tensor]
    shape: tuple[int, ...]
    options: dict = field(default_factory=dict)
    low: float = -math.inf
    high: float = math.inf
    fixed: Quantisation | None = None


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
        self._moved = {}

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
            self._moved[key] = self.operator(
                kind, [tensor, self.constant(f"{moved.name} how", np.array(how, np.int32))], moved)
        return self._moved[key]

    def quantised(self, result, name, quantisation):
        """A value or pending operator in that quantisation, as a `Value`."""
        if isinstance(result, Value):
            tensor = result.tensor
            if tensor.dtype == np.int8 and _quantisation(tensor) == quantisation:
                return result
            result = Pending(self.subject, "QUANTIZE", [self.stored(result)], result.shape)
        if result.fixed not in (None, quantisation):
            inner = self._emit(result, f"{name} (own scale)", result.fixed)
            result = Pending(result.subject, "QUANTIZE", [inner], result.shape)
        return self.value(self._emit(result, name, quantisation), result.shape)

    def settled(self, result, name):
        """The same for a result that nothing quantises: only one of a fixed quantisation needs nothing."""
        if isinstance(result, Pending):
            self.subject = result.subject
            need(result.fixed, f"has an output, {name!r}, that no QuantizeLinear quantises")
            return self.quantised(result, f"{name} (int8)", result.fixed)
        return result

    def clipped(self, result, low, high):
        """A value or pending operator, confined to a range of reals."""
        if isinstance(result, Pending):
            return replace(result, low=max(low, result.low), high=min(high, result.high))
        need(result.tensor.dtype == np.int8, "has an input that no QuantizeLinear quantises")
        # The range may be all that the quantisation can hold: exporters leave such clips.
        if _activation(low, high, _quantisation(result.tensor)) == "NONE":
            return result
        kind = "RELU" if (low, high) == (0, math.inf) else "QUANTIZE"
        return Pending(self.subject, kind, [self.stored(result)], result.shape, {}, low, high)

    def _emit(self, pending, name, quantisation):
        self.subject = pending.subject
        shape = [pending.shape[axis] for axis in canonical(len(pending.shape))]
        activation = _activation(pending.low, pending.high, quantisation)
        return self.operator(pending.kind, pending.inputs, self.tensor(name, shape, np.int8, quantisation),
                             activation=activation, **pending.options)


def _quantisation(tensor):
    return Quantisation(float(tensor.scale[0]), int(tensor.zero_point[0]))


def _activation(low, high, quantisation):
    """The fused activation that leaves the same int8 values as the range of reals."""
    def quantised(real):
        units = round_half_away(np.clip(real / quantisation.scale, -512, 512))
        return int(np.clip(units + quantisation.zero_point, -128, 127))

    for activation in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
        left = activation_range(activation, quantisation.scale, quantisation.zero_point)
        if left == (quantised(low), quantised(high)):
            return activation
    raise ModelError(f"is clipped to {low} .. {high}, expected the range of Relu, of 0 .. 6 or of -1 .. 1")
