"""One node of an ONNX model, as the functions that translate it are given it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto

from .result import Constant, Pending, SingleElement, Value, as_image, canonical, else_floats, need, reals

__all__ = ["Node"]


#: Of those that need no quantisation after them these round to one of their own, which a function would make more of.
_ROUNDING = ("AVERAGE_POOL_2D", "SOFTMAX")


@dataclass
class Node:
    """One node of the ONNX model.

    Members
    -------
    proto : NodeProto
    opset : int
    names : list of str, its inputs, "" for an absent one
    inputs : list of Value, Pending, SingleElement, Constant, or None for an absent one
    outputs : list of str
    shapes : list of tuple of int, of the outputs
    attributes : dict
    sizes, types : callables, give the shape and the element type of a name
    of_images : bool, `over_images` has made images of sequences
    """
    proto: NodeProto
    opset: int
    names: list[str]
    inputs: list
    outputs: list[str]
    shapes: list[tuple[int, ...]]
    attributes: dict
    sizes: Callable
    types: Callable
    of_images: bool = False

    @property
    def output(self):
        """Its first output."""
        return self.outputs[0]

    @property
    def shape(self):
        """Of its first output."""
        return self.shapes[0]

    def take(self, name, default):
        """An attribute, which counts as known from now on."""
        return self.attributes.pop(name, default)

    def optional(self, index):
        """An input, or None."""
        return self.inputs[index] if index < len(self.inputs) else None

    def value(self, builder, index):
        """An input that is computed."""
        else_floats(not isinstance(self.inputs[index], Constant),
                    f"has the constant {self.names[index]!r} as its input")
        value = builder.settled(self.inputs[index], self.names[index])
        else_floats(len(value.tensor.scale), f"has an input, {self.names[index]!r}, that no QuantizeLinear quantises")
        return value

    def where_images(self):
        """`over_images`, if an input is stored as one."""
        return self.over_images() if any(isinstance(x, Value) and x.is_sequence for x in self.inputs) else self.shape

    def over_images(self):
        """Takes a node over sequences [N, C, W] as one over images of height 1; gives the shape that ONNX has."""
        view = self.shape
        if len(view) == 3:
            self.shapes, self.of_images = [as_image(shape) for shape in self.shapes], True
            fillers = {"kernel_shape": [1], "strides": [1], "dilations": [1], "output_padding": [0]}
            for name in fillers.keys() & self.attributes.keys():
                self.attributes[name] = fillers[name] + list(self.attributes[name])
            if "pads" in self.attributes:
                before, after = self.attributes["pads"]
                self.attributes["pads"] = [0, before, 0, after]
        return view

    def image(self, builder):
        """The first input, which must be an image or a sequence, as its tensor."""
        value = self.value(builder, 0)
        else_floats(len(value.shape) in (3, 4), f"has an input of {len(value.shape)} dimensions, expected 3 or 4")
        return builder.stored(replace(value, shape=as_image(value.shape)))

    def single_element(self, index, builder):
        """An input as a function of single elements, or None if it is another's result."""
        x = self.inputs[index]
        if isinstance(x, Value):
            else_floats(len(x.tensor.scale), f"has an input, {self.names[index]!r}, that no QuantizeLinear quantises")
            return SingleElement.of(x, builder.subject)
        if isinstance(x, Pending) and x.fixed and x.kind not in _ROUNDING:
            return SingleElement.of(builder.settled(x, self.names[index]), builder.subject)
        return x if isinstance(x, SingleElement) else None

    def operand(self, builder, index):
        """An input as a tensor with as many dimensions as the output, so that they broadcast in any order."""
        def shape(of):
            of = (1,) * (len(self.shape) - self.of_images - len(of)) + of
            return as_image(of) if self.of_images else of

        x = self.inputs[index]
        if isinstance(x, Constant):
            x = self.quantised(index)
            data = x.data.reshape(shape(x.data.shape)).transpose(canonical(len(self.shape)))
            return builder.channel_constant(self.names[index], data, x.scale, x.zero_point, 0)
        x = self.value(builder, index)
        return builder.stored(replace(x, shape=shape(x.shape)))

    def quantised(self, index):
        """An input that must be a constant with one scale."""
        x = self.inputs[index]
        else_floats(x.scale is not None and len(x.scale) == 1 and x.data.dtype == np.int8,
                    f"has a constant, {self.names[index]!r}, that is not quantised to 8 bits with one scale")
        return x

    def constant(self, index, what):
        """An input that must be a constant."""
        x = self.optional(index)
        else_floats(isinstance(x, Constant), f"has {what}, {self.names[index] if x else 'none'!r}, that is no constant")
        return x

    def numbers(self, index, what):
        """The elements of an input that must be a constant, as a flat list."""
        return self.constant(index, what).data.reshape(-1).tolist()

    def real(self, index, default, what):
        """An optional input that must be one constant number."""
        if self.optional(index) is None:
            return default
        values = reals(self.constant(index, what)).reshape(-1)
        else_floats(len(values) == 1, f"has {what} of {len(values)} numbers, expected one")
        return float(values[0])

    def weights(self, axis):
        """The second input, which must be an int8 constant whose scales may go along `axis`."""
        weights = self.constant(1, "weights")
        else_floats(weights.scale is not None,
                    f"has float weights, {self.names[1]!r}, expected int8 into DequantizeLinear")
        need(weights.data.dtype == np.int8, f"has {weights.data.dtype} weights, {self.names[1]!r}, expected int8")
        else_floats(len(weights.scale) == 1 or weights.axis == axis,
                    f"has weights with a scale for each index of dimension {weights.axis}, expected dimension {axis}")
        return weights

    def kind(self, index):
        """Element type of an input."""
        return self.types(self.names[index])

    def axis(self, default=None):
        """The attribute `axis`, counted from the first dimension of the first input."""
        axis, rank = self.take("axis", default), len(self.sizes(self.names[0]))
        need(-rank <= axis < rank, f"has axis {axis} of {rank} dimensions")
        return axis % rank
