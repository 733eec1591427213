"""Operators that change the size of images."""

import numpy as np

__all__ = ["FRACTION", "nearest", "resize_bilinear", "resize_nearest_neighbor"]

#: RESIZE_BILINEAR computes places in units of 2**-10 elements.
FRACTION = 10


def nearest(size, length, options):
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
    rows, columns = nearest(x.shape[1], height, node.options), nearest(x.shape[2], width, node.options)
    return x[:, rows[:, None], columns]


def _between(size, length, options, given):
    """For each of `length` places along a dimension of `size`: the elements around it, and the second one's weight."""
    if given in options:  # as ONNX's models say, which know more ways than the two options
        place = np.array(options[given])
        first = place >> FRACTION
        return first, np.minimum(first + 1, size - 1), place - (first << FRACTION)
    aligned = options["align_corners"] and length > 1
    parts, whole = (length - 1, size - 1) if aligned else (length, size)
    scale = ((whole << FRACTION) + parts // 2) // parts
    place = np.arange(length) * scale
    if options["half_pixel_centers"]:
        place = place + scale // 2 - (1 << (FRACTION - 1))
    # The rounded scale may lead beyond the last element, where the reference reads outside the image: the last one.
    first = np.clip(place >> FRACTION, 0, size - 1)
    second = np.clip((place + (1 << FRACTION) - 1) >> FRACTION, 0, size - 1)
    return first, second, place - (first << FRACTION)


def _interpolate(x, axis, size, options, given):
    """Weighted sums of two neighbours along a dimension, in units of 2**-10."""
    first, second, weight = _between(x.shape[axis], size, options, given)
    weight = weight.reshape(-1, *(1,) * (x.ndim - 1 - axis))
    return x.take(first, axis) * ((1 << FRACTION) - weight) + x.take(second, axis) * weight


def resize_bilinear(node, x, size):
    """Each output element is the mean of the four input elements around it, weighted by nearness, in integers."""
    height, width = size.tolist()
    total = _interpolate(x.astype(np.int64), 1, height, node.options, "rows")
    total = _interpolate(total, 2, width, node.options, "columns")
    return np.sign(total) * ((np.abs(total) + (1 << (2 * FRACTION - 1))) >> (2 * FRACTION))
