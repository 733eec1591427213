"""Operators that only move elements, or repeat them."""

from dataclasses import replace

import numpy as np

from ..operators.resize import nearest
from .elementwise import evaluated
from .result import Constant, Pending, Value, canonical, need, own

__all__ = ["concat", "depth_to_space", "gather", "pad", "resize", "same", "shape", "slice_", "space_to_depth", "split",
           "transpose", "view"]


def same(_builder, node):
    """Identity, Dropout."""
    node.attributes.clear()
    return node.inputs[0]


def shape(_builder, node):
    """Sizes, which are all known."""
    return Constant(np.array(node.sizes(node.names[0])[node.take("start", 0):node.take("end", None)], np.int64))


def view(builder, node):
    """Another shape of the same elements; which one, shape inference has found out."""
    node.attributes.clear()
    x = node.inputs[0]
    if isinstance(x, Constant):
        need(x.scale is None or len(x.scale) == 1, f"reshapes the constant {node.names[0]!r} with a scale a channel")
        return replace(x, data=x.data.reshape(node.shape))
    return replace(builder.settled(x, node.names[0]), shape=node.shape)


def transpose(builder, node):
    """Another order of dimensions."""
    x, perm = node.inputs[0], list(node.take("perm", range(len(node.shape))[::-1]))
    if isinstance(x, Constant):
        axis = x.axis if x.scale is None else perm.index(x.axis)
        return replace(x, data=x.data.transpose(perm), axis=axis)
    x = builder.settled(x, node.names[0])
    if x.shape != x.source:
        plain = tuple(range(len(x.shape)))
        x = Value(builder.stored(x, plain), x.shape, plain, x.shape)
    return Value(x.tensor, node.shape, tuple(perm.index(axis) for axis in x.order), node.shape)


def _moving(builder, node, kind, inputs, shape=None, **options):
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
    return Pending(builder.subject, "CONCATENATION", tensors, node.shape, {"axis": axis}, uniform=True,
                   fixed=first if all(own(tensor) == first for tensor in tensors) else None, view=view)


def _ranges(builder, node, x, first, sizes, shape=None, name=""):
    """A range in each dimension, given in ONNX's order."""
    order = canonical(len(first))
    begin, size = (builder.integers(f"{node.output}{name} {what}", [numbers[axis] for axis in order])
                   for what, numbers in (("begin", first), ("size", sizes)))
    return _moving(builder, node, "SLICE", [x, begin, size], shape)


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
    return _moving(builder, node, "STRIDED_SLICE", [x, begin, end, stride], **masks, end_mask=end_mask, offset=False)


def gather(builder, node):
    """Constant indices of one dimension."""
    value = node.value(builder, 0)
    rank, axis = len(value.shape), node.axis(0)
    places = node.constant(1, "indices").data
    need(places.ndim <= 1, f"has indices of {places.ndim} dimensions, expected one")
    order = canonical(rank)
    indices = builder.integers(f"{node.output} indices", np.atleast_1d(places) % value.shape[axis])
    whole = tuple(places.size if number == axis else size for number, size in enumerate(value.shape))
    result = _moving(builder, node, "GATHER", [builder.stored(value), indices], whole, axis=order.index(axis),
                     batch_dims=0)
    return replace(result, view=node.shape)


def pad(builder, node):
    """A constant, or what is in a mirror, around the elements."""
    value, mode = node.value(builder, 0), node.take("mode", b"constant").decode()
    rank = len(value.shape)
    amounts = node.numbers(1, "pads")
    fill = node.real(2, 0.0, "a constant_value")
    axes = ([axis % rank for axis in node.numbers(3, "axes")] if node.optional(3) is not None else range(rank))
    around = dict(zip(axes, zip(amounts, amounts[len(axes):])))
    pairs = builder.integers(f"{node.output} pads", [around.get(axis, (0, 0)) for axis in canonical(rank)])
    x = builder.stored(value)
    if mode == "reflect":
        return _moving(builder, node, "MIRROR_PAD", [x, pairs], mode=0)
    need(mode == "constant", f"has the mode {mode}, expected constant or reflect")
    if fill == 0:
        return _moving(builder, node, "PAD", [x, pairs])
    quantisation = own(x)
    units = np.clip(np.rint(fill / quantisation.scale) + quantisation.zero_point, -128, 127).astype(np.int8)
    filler = builder.tensor(f"{node.output} fill", (), np.int8, quantisation, data=units)
    return _moving(builder, node, "PADV2", [x, pairs, filler])


def resize(builder, node):
    """Nearest elements, found by what the reference makes of the elements' numbers, or a mean of neighbours."""
    x, mode = node.image(builder), node.attributes.get("mode", b"nearest").decode()
    need(tuple(node.shape[:2]) == (x.shape[0], x.shape[3]), "resizes the batch or the channels")
    sizes = x.shape[1:3], node.shape[2:]
    if mode == "nearest":
        return _nearest(builder, node, x)
    need(mode == "linear", f"has the mode {mode}, expected nearest or linear")
    coordinates = node.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    known = {"half_pixel": (False, True), "pytorch_half_pixel": (False, True), "align_corners": (True, False),
             "asymmetric": (False, False)}
    need(coordinates in known and not node.attributes.get("antialias"),
         f"resizes with coordinates {coordinates} or antialiased, expected {', '.join(known)}")
    need(coordinates != "pytorch_half_pixel" or min(sizes[1]) > 1, "resizes to a single pixel")
    node.attributes.clear()
    aligned, centers = known[coordinates]
    return _moving(builder, node, "RESIZE_BILINEAR", [x, builder.integers(f"{node.output} size", node.shape[2:])],
                   align_corners=aligned, half_pixel_centers=centers)


def _nearest(builder, node, x):
    height, width = x.shape[1:3]
    numbers = np.arange(height * width, dtype=np.float32).reshape(1, 1, height, width)
    constants = [None if y is None else node.constant(index, "a size").data.copy()
                 for index, y in enumerate(node.inputs) if index]
    for sizes in constants[1:]:
        if sizes is not None and len(sizes) == 4:
            sizes[1] = 1  # of one channel
    chosen, = evaluated(node, [numbers, *constants])
    chosen = chosen.reshape(node.shape[2:]).astype(np.int64)
    rows, columns = chosen[:, 0] // width, chosen[0] % width
    for options in ({"align_corners": False, "half_pixel_centers": True},
                    {"align_corners": False, "half_pixel_centers": False},
                    {"align_corners": True, "half_pixel_centers": False}):
        if all(np.array_equal(nearest(size, len(places), options), places)
               for size, places in ((height, rows), (width, columns))):
            size = builder.integers(f"{node.output} size", node.shape[2:])
            return _moving(builder, node, "RESIZE_NEAREST_NEIGHBOR", [x, size], **options)
    x = builder.gathered(x, rows, 1, f"{node.output} (rows)")
    return _moving(builder, node, "GATHER", [x, builder.integers(f"{node.output} columns", columns)], axis=2,
                   batch_dims=0)


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
    return _moving(builder, node, "DEPTH_TO_SPACE", [x], block_size=block)


def space_to_depth(builder, node):
    """Channels made of blocks."""
    x, (block, _) = node.image(builder), _block(node)
    return _moving(builder, node, "SPACE_TO_DEPTH", [x], block_size=block)
