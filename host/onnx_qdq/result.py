"""What a name of an ONNX model stands for while the model is read."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import ModelError, Tensor
from ..quantisation import LEVELS, onnx_integers, reals_of

__all__ = ["IN_ONNX_ORDER", "Constant", "Floats", "InFloats", "Pending", "Quantisation", "SingleElement", "Value",
           "array_of", "as_image", "canonical", "else_floats", "need", "own", "reals", "signed8"]


#: Ends the name of a tensor of four dimensions that is stored in ONNX's order, not channels last.
IN_ONNX_ORDER = " (in ONNX's order)"


def need(condition, sentence):
    """Refuses the node at hand with a sentence whose subject, the node, the caller adds."""
    if not condition:
        raise ModelError(sentence)


class InFloats(ModelError):
    """The node at hand has no integer form here: the host computes it in floats, as ONNX does (`floats`)."""


def else_floats(condition, sentence):
    """Leaves the node at hand to floats where the condition does not hold; the sentence says why, as in `need`."""
    if not condition:
        raise InFloats(sentence)


def canonical(rank):
    """The order in which the dimensions of a computed tensor are stored: channels last."""
    return (0, 2, 3, 1) if rank == 4 else tuple(range(rank))


def as_image(shape):
    """Shape of an image, [N, C, H, W], that has the elements of [N, C], [N, C, W] or of itself."""
    return (*shape[:2], *(1,) * (4 - len(shape)), *shape[2:])


def signed8(array):
    """An uint8 array as the int8 array of the same reals under a zero point less by 128; others as they are."""
    return (array ^ 0x80).view(np.int8) if array.dtype == np.uint8 else array


@dataclass(frozen=True)
class Quantisation:
    """Scale (float32) and zero point (int8) of a whole tensor."""
    scale: float
    zero_point: int


def own(tensor):
    """The quantisation of a tensor that has one as a whole."""
    return Quantisation(float(tensor.scale[0]), int(tensor.zero_point[0]))


@dataclass(frozen=True, eq=False)
class Constant:
    """Data in ONNX's order; integers stand for reals by `scale` and `zero_point`, one or one an index of `axis`."""
    data: np.ndarray
    scale: np.ndarray | None = None
    zero_point: np.ndarray | None = None
    axis: int = 0


def reals(constant):
    """The reals that a constant stands for, as float64."""
    if constant.scale is None:
        return constant.data.astype(np.float64)
    along = [1] * constant.data.ndim
    if len(constant.scale) > 1:
        along[constant.axis] = -1
    return ((constant.data.astype(np.int64) - constant.zero_point.reshape(along))
            * constant.scale.astype(np.float64).reshape(along))


def array_of(constant):
    """The array that ONNX has under a constant's name: floats, if it comes out of a DequantizeLinear."""
    return constant.data if constant.scale is None else reals(constant).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor, and how to read it.

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

    @property
    def is_sequence(self):
        """Whether it is an image of height 1, seen by ONNX as [N, C, W], or of one pixel, seen as [N, C]."""
        return len(self.shape) < 4 and self.source == as_image(self.shape) and self.order == canonical(4)

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
    uniform : bool, the inputs must have the quantisation of the result
    view : tuple of int or None, another shape that ONNX gives the result
    order : tuple of int or None, the order in which its dimensions are stored, if that is not the canonical one
    """
    subject: str
    kind: str
    inputs: list[Tensor]
    shape: tuple[int, ...]
    options: dict = field(default_factory=dict)
    low: float = -math.inf
    high: float = math.inf
    fixed: Quantisation | None = None
    uniform: bool = False
    view: tuple[int, ...] | None = None
    order: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Floats:
    """What the host computes in floats, of any type; it becomes an operator where something quantises it (`floats`).

    Members
    -------
    reason : str, a sentence about the first node that has no integer form
    """
    reason: str


@dataclass(frozen=True, eq=False)
class SingleElement:
    """What functions of single elements make of a value: for each of its 256 levels a real.

    Members
    -------
    subject : str, the last node, for errors
    value : Value, int8
    levels : float32 array (256,), by the level's bit pattern
    """
    subject: str
    value: Value
    levels: np.ndarray

    @classmethod
    def of(cls, value, subject):
        """The value itself."""
        quantisation = own(value.tensor)
        return cls(subject, value, reals_of(LEVELS, quantisation.scale, quantisation.zero_point))

    def confined(self, low, high):
        """With Relu or Clip after it."""
        return replace(self, levels=np.clip(self.levels, low, high).astype(np.float32))

    def table(self, quantisation):
        """The reals as QuantizeLinear has them: int8 array (256,)."""
        return onnx_integers(self.levels, quantisation.scale, quantisation.zero_point)
