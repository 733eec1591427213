"""Rewrites a network into one of fewer and simpler operators, before any becomes a layer of the chip.

Each pass takes a `Graph` and gives another. Tensors keep their numbers, new ones come behind them; operators get new
numbers, and what nobody needs any more has none. Every output that is left is the same to the bit.
"""

from .dilation import fuse_dilation
from .functions import fuse_functions
from .padding import fuse_padding
from .reshapes import functions_first, pad_images
from .shuffle import fuse_shuffles
from .split import split_into_slices

__all__ = ["simplified"]


def simplified(graph, keep_outputs):
    """The network after all passes.

    Parameters
    ----------
    graph : Graph
    keep_outputs : bool, whether the output of every operator that the chip executes is wanted: then none goes into the
        layer before it
    """
    passes = [fuse_dilation, pad_images, fuse_padding, fuse_shuffles, split_into_slices]
    for rewrite in passes if keep_outputs else [*passes, functions_first, fuse_functions]:
        graph = rewrite(graph)
    return graph
