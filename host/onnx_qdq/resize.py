"""Resize: which elements of the input an output sees, the node's own evaluation on their numbers tells."""

import numpy as np

from ..operators.resize import FRACTION, nearest
from .elementwise import evaluated
from .movement import moving
from .result import else_floats

__all__ = ["resize"]


def resize(builder, node):
    """Nearest elements, or means of neighbours, of images."""
    else_floats(len(node.shape) == 4, f"resizes {len(node.shape)} dimensions, expected an image")
    x, mode = node.image(builder), node.attributes.get("mode", b"nearest").decode()
    coordinates = node.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    else_floats(tuple(node.shape[:2]) == (x.shape[0], x.shape[3]), "resizes the batch or the channels")
    else_floats(mode in ("nearest", "linear"), f"has the mode {mode}, expected nearest or linear")
    else_floats(coordinates != "tf_crop_and_resize" and not node.attributes.get("antialias"),
                "crops or is antialiased, expected a plain resize")
    constants = _for_one_channel(node)
    if coordinates == "align_corners" and constants[1] is not None:
        sizes = constants[1][-2:] * x.shape[1:3]
        else_floats((sizes == np.rint(sizes)).all(), "aligns corners where size times scale is no whole number")
    ramps = (np.broadcast_to(places.astype(np.float32), (1, 1, *x.shape[1:3])) for places in
             (np.arange(x.shape[1])[:, None], np.arange(x.shape[2])))
    # `evaluated` counts as having seen the attributes.
    rows, columns = (evaluated(node, [ramp, *constants])[0].reshape(node.shape[2:]) for ramp in ramps)
    size = builder.integers(f"{node.output} size", node.shape[2:])
    if mode == "linear":
        places = {name: np.rint(values * (1 << FRACTION)).astype(int).tolist()
                  for name, values in (("rows", rows[:, 0]), ("columns", columns[0]))}
        return moving(builder, node, "RESIZE_BILINEAR", [x, size], align_corners=False, half_pixel_centers=False,
                      **places)
    return _nearest(builder, node, x, rows[:, 0].astype(int), columns[0].astype(int), size)


def _for_one_channel(node):
    """The node's inputs behind the first, for one image of one channel."""
    constants = [None if x is None else node.constant(index, "a size").data.copy()
                 for index, x in enumerate(node.inputs) if index]
    axes = [axis % 4 for axis in node.attributes.get("axes", range(4))]
    for numbers in constants[1:]:
        if numbers is not None and len(numbers) == len(axes):
            numbers[np.array(axes) < 2] = 1
    return constants + [None] * (3 - len(constants))


def _nearest(builder, node, x, rows, columns, size):
    for options in ({"align_corners": False, "half_pixel_centers": True},
                    {"align_corners": False, "half_pixel_centers": False},
                    {"align_corners": True, "half_pixel_centers": False}):
        if all(np.array_equal(nearest(length, len(places), options), places)
               for length, places in zip(x.shape[1:3], (rows, columns))):
            return moving(builder, node, "RESIZE_NEAREST_NEIGHBOR", [x, size], **options)
    x = builder.gathered(x, rows, 1, f"{node.output} (rows)")
    return moving(builder, node, "GATHER", [x, builder.integers(f"{node.output} columns", columns)], axis=2,
                  batch_dims=0)
