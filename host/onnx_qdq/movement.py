"""Operators that only move elements, or repeat them."""

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from .result import Constant, Pending, Quantisation, SingleElement, Value, canonical, else_floats, need, own

__all__ = ["concat", "depth_to_space", "gather", "moving", "pad", "same", "shape", "slice_", "space_to_depth", "split",
           "transpose", "view"]


def same(_builder, node):
    """Identity, Dropout."""
    node.attributes.clear()
    need(not node.real(2, 0, "training_mode"), "is in training mode")
    return node.inputs[0]


def shape(_builder, node):
    """Sizes, which are all known."""
    return Constant(np.array(node.sizes(node.names[0])[node.take("start", 0):node.take("end", None)], np.int64))


def view(builder, node):
    """Another shape of the same elements; which one, shape inference has found out."""
    node.attributes.clear()
    x = node.inputs[0]
    if isinstance(x, Constant):
        else_floats(x.scale is None or len(x.scale) == 1,
                    f"reshapes the constant {node.names[0]!r} with a scale a channel")
        return replace(x, data=x.data.reshape(node.shape))
    return _viewed(builder, node, lambda value: replace(value, shape=node.shape))


def transpose(builder, node):
    """Another order of dimensions."""
    x, perm = node.inputs[0], list(node.take("perm", range(len(node.shape))[::-1]))
    if isinstance(x, Constant):
        axis = x.axis if x.scale is None else perm.index(x.axis)
        return replace(x, data=x.data.transpose(perm), axis=axis)

    def transposed(value):
        if value.shape != value.source:
            plain = tuple(range(len(value.shape)))
            value = Value(builder.stored(value, plain), value.shape, plain, value.shape)
        return Value(value.tensor, node.shape, tuple(perm.index(axis) for axis in value.order), node.shape)

    return _viewed(builder, node, transposed)


def _viewed(builder, node, change):
    """The input with its value seen in another way; a function of single elements may be between."""
    x = node.inputs[0]
    if isinstance(x, SingleElement):
        return replace(x, value=change(x.value))
    return change(builder.settled(x, node.names[0]))


def moving(builder, node, kind, inputs, shape=None, **options):
    """An operator whose result has its first input's quantisation."""
    return Pending(builder.subject, kind, inputs, node.shape if shape is None else shape, options,
                   fixed=own(inputs[0]))


def concat(builder, node):
    """One after the other along a dimension; what is quantised otherwise than the result is rescaled before."""
    axis, view = node.take("axis", 0) % len(node.shape), node.where_images()
    if node.of_images and axis == 2:
        axis = 3
    axis = canonical(len(node.shape)).index(axis)
    tensors = [node.operand(builder, index) for index in range(len(node.inputs))]
    first = own(tensors[0])
    need(node.kind(0) == TensorProto.FLOAT or all(own(tensor) == first for tensor in tensors),
         "concatenates integers of different scales")
    return Pending(builder.subject, "CONCATENATION", tensors, node.shape, {"axis": axis}, uniform=True,
                   fixed=first if all(own(tensor) == first for tensor in tensors) else None, view=view)


def _ranges(builder, node, x, first, sizes, shape=None, name=""):
    """A range in each dimension, given in ONNX's order."""
    order = canonical(len(first))
    begin, size = (builder.integers(f"{node.output}{name} {what}", [numbers[axis] for axis in order])
                   for what, numbers in (("begin", first), ("size", sizes)))
    return moving(builder, node, "SLICE", [x, begin, size], shape)


def split(builder, node):
    """Parts along a dimension, each an output."""
    value, axis = node.value(builder, 0), node.axis(0)
    node.take("num_outputs", None)
    node.take("split", None)
    x, place, parts = builder.stored(value), 0, []
    for index, sizes in enumerate(node.shapes):
        first = [place if number == axis else 0 for number in range(len(sizes))]
        parts.append(_ranges(builder, node, x, first, sizes, sizes, f" {index}"))
        place += sizes[axis]
    return parts


def slice_(builder, node):
    """Every so many elements of a range in some dimensions."""
    value = node.value(builder, 0)
    rank = len(value.shape)
    starts, ends = (node.numbers(index, "a bound") for index in (1, 2))
    axes = node.numbers(3, "axes") if node.optional(3) is not None else range(len(starts))
    steps = node.numbers(4, "steps") if node.optional(4) is not None else [1] * len(starts)
    ranges = [range(size) for size in value.shape]
    for start, end, axis, step in zip(starts, ends, axes, steps):
        ranges[axis] = ranges[axis][slice(start, end, step)]
    x, order = builder.stored(value), canonical(rank)
    if all(places.step == 1 for places in ranges):
        return _ranges(builder, node, x, [places.start for places in ranges], [len(places) for places in ranges])
    # Where the last element is, an end below 0 would count from behind.
    masks = {f"{name}_mask": 0 for name in ("begin", "ellipsis", "new_axis", "shrink_axis")}
    end_mask = sum(1 << order.index(axis) for axis, places in enumerate(ranges) if places.step < 0 and places.stop < 0)
    begin, end, stride = (builder.integers(f"{node.output} {name}", [getattr(ranges[axis], name) for axis in order])
                          for name in ("start", "stop", "step"))
    return moving(builder, node, "STRIDED_SLICE", [x, begin, end, stride], **masks, end_mask=end_mask, offset=False)


def gather(builder, node):
    """Constant indices of one dimension."""
    value = node.value(builder, 0)
    rank, axis = len(value.shape), node.axis(0)
    places = node.constant(1, "indices").data
    else_floats(places.ndim <= 1, f"has indices of {places.ndim} dimensions, expected one")
    order = canonical(rank)
    indices = builder.integers(f"{node.output} indices", np.atleast_1d(places) % value.shape[axis])
    whole = tuple(places.size if number == axis else size for number, size in enumerate(value.shape))
    result = moving(builder, node, "GATHER", [builder.stored(value), indices], whole, axis=order.index(axis),
                     batch_dims=0)
    return replace(result, view=node.shape)


def pad(builder, node):
    """A constant, or what is in a mirror, around the elements."""
    value, mode = node.value(builder, 0), node.take("mode", b"constant").decode()
    rank = len(value.shape)
    amounts = node.numbers(1, "pads")
    fill = node.real(2, 0.0, "a constant_value")
    axes = ([axis % rank for axis in node.numbers(3, "axes")] if node.optional(3) is not None else range(rank))
    else_floats(min(amounts) >= 0, f"pads by {amounts}, expected no negative numbers")
    around = dict(zip(axes, zip(amounts, amounts[len(axes):])))
    pairs = builder.integers(f"{node.output} pads", [around.get(axis, (0, 0)) for axis in canonical(rank)])
    x = builder.stored(value)
    if mode == "reflect":
        return moving(builder, node, "MIRROR_PAD", [x, pairs], mode=0)
    else_floats(mode == "constant", f"has the mode {mode}, expected constant or reflect")
    else_floats(math.isfinite(fill), f"pads with {fill}, expected a finite number")
    if fill == 0:
        return moving(builder, node, "PAD", [x, pairs])
    # The filler is exact in a scale of its own, and rescaled with the input if the result has another one.
    filler = builder.tensor(f"{node.output} fill", (), np.int8, Quantisation(abs(fill) / 64, 0),
                            data=np.int8(np.copysign(64, fill)))
    units = fill / own(x).scale + own(x).zero_point
    return replace(moving(builder, node, "PADV2", [x, pairs, filler]), uniform=True,
                   fixed=own(x) if units == round(units) and -128 <= units <= 127 else None)


def _block(node):
    block = node.take("blocksize", 0)
    return block, node.take("mode", b"DCR").decode()


def depth_to_space(builder, node):
    """Blocks made of channels."""
    x, (block, mode) = node.image(builder), _block(node)
    if mode == "CRD":
        # Pixels of a block come after the channel there, before it here.
        order = np.arange(x.shape[3]).reshape(-1, block * block).T.reshape(-1)
        x = builder.gathered(x, order, 3, f"{node.output} (channels)")
    return moving(builder, node, "DEPTH_TO_SPACE", [x], block_size=block)


def space_to_depth(builder, node):
    """Channels made of blocks."""
    x, (block, _) = node.image(builder), _block(node)
    return moving(builder, node, "SPACE_TO_DEPTH", [x], block_size=block)
