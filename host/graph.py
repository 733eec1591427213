"""A quantised network as the compiler and the host's operators see it: tensors, operators and their shared rules."""

from dataclasses import dataclass, field, replace

import numpy as np
from systolith.rtl.errors import UserError

__all__ = ["MOST_DIMENSIONS", "Graph", "ModelError", "Operator", "Tensor", "activation_range", "integers", "window",
           "windows"]

#: Of a tensor.
MOST_DIMENSIONS = 16


class ModelError(UserError):
    """A model that cannot be used; the message is one full sentence."""


@dataclass(eq=False)
class Tensor:
    """One tensor of a model.

    Members
    -------
    index : int, its number in the model
    name : str
    shape : tuple of int, all known and positive; () is a scalar
    dtype : numpy.dtype
    scale : float32 array, one entry, or one for each index of dimension `axis`; empty if not quantised
    zero_point : int64 array of the same length
    axis : int, the quantised dimension
    data : array of that shape and dtype if the tensor is a constant, else None
    sized : bool, whether the file knows the shape; if not, the operator that writes it tells (`operators.check`)
    """
    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int = 0
    data: np.ndarray | None = None
    sized: bool = True


def integers(index, values):
    """A constant: int32 in one dimension, that say what an operator is to do."""
    none = np.zeros(0)
    return Tensor(index, "", (len(values),), np.dtype(np.int32), none, none, data=np.array(values, np.int32))


@dataclass(eq=False)
class Operator:
    """One operator of a model.

    Members
    -------
    index : int, its place in the order of execution
    kind : str, TensorFlow Lite's name, "CONV_2D", or LOOKUP or ONNX_FLOATS
    inputs : list of tensor numbers, -1 where an optional input is absent
    outputs : list of tensor numbers
    options : dict from plain names (stride_h, stride_w, dilation_h, padding, activation, beta, axis, ...) to
        numbers, booleans or texts; padding is "SAME", "VALID" or "EXPLICIT" (with pad_top, pad_bottom, pad_left,
        pad_right), activation "NONE", "RELU", "RELU6" or "RELU_N1_TO_1"
    """
    index: int
    kind: str
    inputs: list[int]
    outputs: list[int]
    options: dict = field(default_factory=dict)


@dataclass(eq=False)
class Graph:
    """A whole model; `operators` are in an order in which they can be executed."""
    name: str
    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]

    def readers(self):
        """Who reads each tensor: dict from its number to a set of operators' numbers, and None for an output."""
        found = {tensor.index: set() for tensor in self.tensors}
        for index in self.outputs:
            found[index].add(None)
        for operator in self.operators:
            for index in operator.inputs:
                if index >= 0:
                    found[index].add(operator.index)
        return found

    def with_operators(self, operators, tensors=None):
        """The same network of other operators, which get their places as numbers, and perhaps of more tensors."""
        return replace(self, operators=[replace(operator, index=index) for index, operator in enumerate(operators)],
                       tensors=self.tensors if tensors is None else tensors)


def window(size, kernel, stride, dilation, padding):
    """Where a sliding window goes along one dimension.

    Parameters
    ----------
    size, kernel, stride, dilation : int
    padding : "SAME", "VALID" or a pair of int, the elements before and after the input

    Returns
    -------
    tuple of int
        Number of outputs, and of padding elements before and after the input. With VALID, and where the last window
        ends inside the input, nothing is padded after it.
    """
    extent = (kernel - 1) * dilation + 1
    if padding == "SAME":
        outputs = -(-size // stride)
        missing = max(0, (outputs - 1) * stride + extent - size)
        return outputs, missing // 2, missing - missing // 2
    before, after = (0, 0) if padding == "VALID" else padding
    outputs = max(0, (before + size + after - extent) // stride + 1)
    return outputs, before, max(0, (outputs - 1) * stride + extent - before - size)


def windows(sizes, kernel, options):
    """`window` along height and width, with the strides, dilations and padding of an operator's options."""
    pads = {side: options["padding"] for side in "hw"}
    if options["padding"] == "EXPLICIT":
        pads = {"h": (options["pad_top"], options["pad_bottom"]), "w": (options["pad_left"], options["pad_right"])}
    return [window(size, length, options[f"stride_{side}"], options.get(f"dilation_{side}", 1), pads[side])
            for side, size, length in zip("hw", sizes, kernel)]


def activation_range(activation, scale, zero_point):
    """Least and greatest int8 that a fused activation lets through, for an output of that scale and zero point."""
    def quantised(value):
        ratio = float(np.float32(value) / np.float32(scale))
        return int(zero_point) + int(np.sign(ratio) * np.floor(abs(ratio) + 0.5))

    low, high = {"NONE": (-128, 127), "RELU": (quantised(0), 127), "RELU6": (quantised(0), quantised(6)),
                 "RELU_N1_TO_1": (quantised(-1), quantised(1))}[activation]
    return max(low, -128), min(high, 127)
