"""Operators that only move elements."""

import numpy as np

__all__ = ["concatenation", "pad", "reshape", "resize_nearest_neighbor", "strided_slice", "strided_slice_indices",
           "transpose"]


def reshape(node, x, *_shape):
    """RESHAPE, EXPAND_DIMS, SQUEEZE: the output tensor has the shape."""
    return x.reshape(node.output.shape)


def pad(node, x, amounts, fill=None):
    """Zero (or `fill`, of PADV2) around the input."""
    value = node.output.zero_point[0] if fill is None else fill.reshape(())
    return np.pad(x, amounts, constant_values=value)


def concatenation(node, *parts):
    """One after the other along a dimension."""
    return np.concatenate(parts, axis=node.options["axis"])


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


def _nearest(size, length, options):
    """For each of `length` places along a dimension, the element of `size` that is nearest. All in float32."""
    aligned = options["align_corners"] and length > 1
    scale = np.float32(size - 1) / np.float32(length - 1) if aligned else np.float32(size) / np.float32(length)
    offset = np.float32(0.5 if options["half_pixel_centers"] else 0)
    place = (np.arange(length, dtype=np.float32) + offset) * scale
    place = np.floor(place + np.float32(0.5)) if options["align_corners"] else np.floor(place)
    return np.clip(place.astype(np.int64), 0, size - 1)


def resize_nearest_neighbor(node, x, size):
    """Each output element is the nearest input element."""
    height, width = size.tolist()
    rows, columns = _nearest(x.shape[1], height, node.options), _nearest(x.shape[2], width, node.options)
    return x[:, rows[:, None], columns]
