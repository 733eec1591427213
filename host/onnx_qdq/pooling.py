"""Pools and means."""

import math

import numpy as np

from .contraction import window
from .result import Pending, canonical, else_floats, own

__all__ = ["average_pool", "global_average_pool", "global_max_pool", "max_pool", "reduced"]


def _pool(builder, node):
    """ONNX's shape, the image, and the options of a pooling window; also whether its padding is all declared."""
    view, x, kernel = node.over_images(), node.image(builder), node.take("kernel_shape", [])
    options, declared = window(node, x, kernel)
    else_floats(options["dilation_h"] == options["dilation_w"] == 1, "is dilated, expected a pool without dilation")
    else_floats(max(options["pad_top"], options["pad_bottom"]) < kernel[0]
                and max(options["pad_left"], options["pad_right"]) < kernel[1], "pads by a whole window or more")
    return view, x, kernel, options, declared


def max_pool(builder, node):
    """Greatest of each window."""
    view, x, kernel, options, _ = _pool(builder, node)
    else_floats(node.take("storage_order", 0) == 0, "has storage_order 1, expected 0")
    return Pending(builder.subject, "MAX_POOL_2D", [x], node.shape,
                   {**options, "filter_h": kernel[0], "filter_w": kernel[1]}, fixed=own(x), view=view)


def average_pool(builder, node):
    """Mean of each window; where padding counts, a convolution of equal weights."""
    view, x, kernel, options, declared = _pool(builder, node)
    padded = any(options[f"pad_{side}"] for side in ("top", "bottom", "left", "right"))
    if not (node.take("count_include_pad", 0) and padded):
        return Pending(builder.subject, "AVERAGE_POOL_2D", [x], node.shape,
                       {**options, "filter_h": kernel[0], "filter_w": kernel[1]}, fixed=own(x), view=view)
    # AVERAGE_POOL_2D never counts padding; a convolution with equal weights does.
    else_floats(declared, "counts padding that only ceil_mode adds")
    ones = builder.channel_constant(f"{node.output} weights", np.ones((1, *kernel, x.shape[3]), np.int8),
                                    np.array([1 / math.prod(kernel)], np.float32), np.zeros(1, np.int64), 3)
    return Pending(builder.subject, "DEPTHWISE_CONV_2D", [x, ones], node.shape, {**options, "depth_multiplier": 1},
                   view=view)


def global_average_pool(builder, node):
    """Mean of each channel."""
    view, axes = node.over_images(), builder.integers(f"{node.output} axes", [1, 2])
    return Pending(builder.subject, "MEAN", [node.image(builder), axes], node.shape, {"keep_dims": True}, view=view)


def global_max_pool(builder, node):
    """Greatest of each channel."""
    view, x = node.over_images(), node.image(builder)
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "filter_h": x.shape[1], "filter_w": x.shape[2]}
    return Pending(builder.subject, "MAX_POOL_2D", [x], node.shape, options, fixed=own(x), view=view)


def reduced(kind):
    """ReduceMean and its like, over the dimensions that attribute or second input name: all, if none does."""
    def function(builder, node):
        value = node.value(builder, 0)
        rank = len(value.shape)
        axes = node.numbers(1, "axes") if node.optional(1) is not None else node.take("axes", [])
        else_floats(axes or not node.take("noop_with_empty_axes", 0), "reduces nothing")
        axes = {axis % rank for axis in axes} or set(range(rank))
        node.take("noop_with_empty_axes", 0)
        node.take("keepdims", 1)
        order = canonical(rank)
        places = sorted(order.index(axis) for axis in axes)
        whole = tuple(1 if axis in axes else size for axis, size in enumerate(value.shape))
        x = builder.stored(value)
        return Pending(builder.subject, kind, [x, builder.integers(f"{node.output} axes", places)], whole,
                       {"keep_dims": True}, fixed=None if kind in ("MEAN", "SUM") else own(x), view=node.shape)
    return function
