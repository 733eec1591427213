"""What layers with a sliding window share."""

from systolith.host.graph import windows

from ..layer import Padding
from ..window import Geometry
from .on_host import need

__all__ = ["MOST_STEPS", "window"]

#: What the loops of the vector unit's instructions count to.
MOST_STEPS = 1 << 14


def window(options, x, y, kernel, fill):
    """Geometry of a sliding window over x, and the padding it needs."""
    need(len(x.shape) == 4 and x.shape[0] == 1, "its input is not one image")
    stride = options["stride_h"], options["stride_w"]
    dilation = options.get("dilation_h", 1), options.get("dilation_w", 1)
    (_, top, bottom), (_, left, right) = windows(x.shape[1:3], kernel, options)
    geometry = Geometry(tuple(kernel), stride, dilation, (top, left))
    return geometry, Padding(top, bottom, left, right, fill if top or bottom or left or right else None)
