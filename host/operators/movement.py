"""Operators that only move elements."""

import numpy as np

__all__ = ["batch_to_space_nd", "broadcast_to", "concatenation", "depth_to_space", "gather", "mirror_pad", "pack",
           "pad", "reshape", "slice_", "space_to_batch_nd", "space_to_depth", "split", "split_v", "strided_slice",
           "strided_slice_indices", "tile", "transpose", "unpack"]


def reshape(node, x, *_shape):
    """RESHAPE, EXPAND_DIMS, SQUEEZE: the output tensor has the shape."""
    return x.reshape(node.output.shape)


def pad(node, x, amounts, fill=None):
    """Zero (or `fill`, of PADV2) around the input."""
    value = node.output.zero_point[0] if fill is None else fill.reshape(())
    return np.pad(x, amounts, constant_values=value)


def mirror_pad(node, x, amounts):
    """The input's own elements around it, as in a mirror: without (mode 0) or with those at the edge."""
    return np.pad(x, amounts, mode=("reflect", "symmetric")[node.options["mode"]])


def concatenation(node, *parts):
    """One after the other along a dimension."""
    return np.concatenate(parts, axis=node.options["axis"])


def pack(node, *parts):
    """One after the other along a new dimension."""
    return np.stack(parts, axis=node.options["axis"])


def unpack(node, x):
    """Each index of a dimension as an output of its own."""
    return list(np.moveaxis(x, node.options["axis"], 0))


def split(node, axis, x):
    """Equal parts along a dimension, each an output."""
    return np.split(x, len(node.outputs), axis.item())


def split_v(node, x, _sizes, axis):
    """Parts along a dimension, each an output; the output tensors have the sizes."""
    axis = axis.item()
    return np.split(x, np.cumsum([tensor.shape[axis] for tensor in node.outputs[:-1]], dtype=np.int64), axis)


def gather(node, x, places):
    """The given indices of a dimension; with batch dimensions, others for each batch."""
    axis, batch = node.options["axis"] % x.ndim, node.options["batch_dims"]
    batch += places.ndim if batch < 0 else 0
    batches = zip(x.reshape(-1, *x.shape[batch:]), places.reshape(-1, *places.shape[batch:]))
    return np.stack([part.take(chosen, axis - batch) for part, chosen in batches]).reshape(node.output.shape)


def tile(_node, x, times):
    """The input so many times in each dimension."""
    return np.tile(x, times)


def broadcast_to(node, x, _shape):
    """Dimensions of size 1 repeated: the output tensor has the shape."""
    return np.broadcast_to(x, node.output.shape)


def transpose(_node, x, order):
    """Dimensions in a new order."""
    return x.transpose(order)


def strided_slice_indices(options, begin, end, strides):
    """What STRIDED_SLICE takes of a tensor: a tuple that indexes an array."""
    indices = []
    for axis, (first, last, step) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist())):
        if options["shrink_axis_mask"] >> axis & 1:
            indices.append(first)
            continue
        # A slice of Python clamps to the shape as TensorFlow does.
        indices.append(slice(None if options["begin_mask"] >> axis & 1 else first,
                             None if options["end_mask"] >> axis & 1 else last, step))
    return tuple(indices)


def strided_slice(node, x, begin, end, strides):
    """Every so many elements of a range in each dimension."""
    return x[strided_slice_indices(node.options, begin, end, strides)]


def slice_(node, x, begin, _size):
    """A range in each dimension: the output tensor has the sizes."""
    return x[tuple(slice(first, first + size) for first, size in zip(begin.tolist(), node.output.shape))]


def space_to_batch_nd(node, x, block, amounts):
    """Zero around the image, then each place within a block as an image of its own, in the batch."""
    padded = np.pad(x, ((0, 0), *amounts.tolist(), (0, 0)), constant_values=node.output.zero_point[0])
    cut = [part for size, length in zip(padded.shape[1:-1], block.tolist()) for part in (size // length, length)]
    outer, inner = range(1, len(cut), 2), range(2, len(cut) + 1, 2)
    split_up = padded.reshape(x.shape[0], *cut, x.shape[-1])
    return split_up.transpose(*inner, 0, *outer, len(cut) + 1).reshape(node.output.shape)


def batch_to_space_nd(_node, x, block, amounts):
    """The opposite: blocks made of images in the batch, then cropped."""
    count, block = len(block), block.tolist()
    split_up = x.reshape(*block, -1, *x.shape[1:])
    order = [axis for pair in zip(range(count + 1, 2 * count + 1), range(count)) for axis in pair]
    whole = split_up.transpose(count, *order, 2 * count + 1).reshape(
        -1, *(size * length for size, length in zip(x.shape[1:-1], block)), x.shape[-1])
    return whole[:, *(slice(before, size - after)
                      for size, (before, after) in zip(whole.shape[1:-1], amounts.tolist()))]


def space_to_depth(node, x):
    """The places within a block become channels, before the channels that were."""
    block, (batch, height, width, depth) = node.options["block_size"], x.shape
    cut = x.reshape(batch, height // block, block, width // block, block, depth)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(node.output.shape)


def depth_to_space(node, x):
    """The opposite: blocks made of channels."""
    block, (batch, height, width, depth) = node.options["block_size"], x.shape
    cut = x.reshape(batch, height, width, block, block, depth // (block * block))
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(node.output.shape)
