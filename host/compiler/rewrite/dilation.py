"""Dilated convolutions that are written as convolutions of a batch of images, each with every so many pixels."""

from dataclasses import replace

from systolith.host.quantisation import same_quantisation

from .reshapes import RESHAPES, as_image, image_of_line
from .rewriter import replaced

__all__ = ["fuse_dilation"]


def fuse_dilation(graph):
    """With one convolution for each SPACE_TO_BATCH_ND, convolution and BATCH_TO_SPACE_ND.

    TensorFlow writes dilated convolutions so. Those along lines have a reshape on both sides of the convolution, which
    needs images.
    """
    return replaced(graph, _one_convolution)


def _one_convolution(rewriter, operator):
    chain = _chain(rewriter, operator)
    fused = chain and _fused(rewriter, chain)
    return (chain, fused) if fused else None


def _chain(rewriter, operator):
    """From a SPACE_TO_BATCH_ND to the BATCH_TO_SPACE_ND behind the next convolution, else an empty list."""
    chain = []
    expected = [("SPACE_TO_BATCH_ND",), RESHAPES, ("CONV_2D", "DEPTHWISE_CONV_2D"), RESHAPES, ("BATCH_TO_SPACE_ND",)]
    for kinds in expected:
        if operator.kind in kinds:
            chain.append(operator)
            operator = rewriter.only_reader(operator)
            if kinds == expected[-1]:
                return chain
            if operator is None:
                return []
        elif kinds != RESHAPES:
            return []
    return []


def _fused(rewriter, chain):
    """What takes the place of a chain, or None."""
    tensors = rewriter.tensors
    cut, join = chain[0], chain[-1]
    convolution, = (operator for operator in chain if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"))
    x, y = tensors[cut.inputs[0]], tensors[join.outputs[0]]
    inside, outside = tensors[convolution.inputs[0]], tensors[convolution.outputs[0]]
    batches, joined = tensors[cut.outputs[0]], tensors[join.inputs[0]]
    block, around = (tensors[index].data.tolist() for index in cut.inputs[1:])
    block_behind, cropped = (tensors[index].data.tolist() for index in join.inputs[1:])
    options = convolution.options
    steps = [options.get(name, 1) for name in ("stride_h", "stride_w", "dilation_h", "dilation_w")]
    same = same_quantisation(x, batches, inside) and same_quantisation(outside, joined, y)
    as_images = as_image(batches.shape) == inside.shape and as_image(joined.shape) == outside.shape
    if not (same and as_images) or block != block_behind or steps != [1] * 4 or options["padding"] != "VALID":
        return None
    if x.data is not None or len(x.shape) != len(y.shape):
        return None
    if len(x.shape) == 3:
        block, around, cropped = [1, *block], [[0, 0], *around], [[0, 0], *cropped]
    pads = [[more - less for more, less in zip(*pair)] for pair in zip(around, cropped)]
    if min(map(min, pads)) < 0:
        return None
    (top, bottom), (left, right) = pads
    options = {**options, "dilation_h": block[0], "dilation_w": block[1], "padding": "EXPLICIT",
               "pad_top": top, "pad_bottom": bottom, "pad_left": left, "pad_right": right}
    if len(x.shape) == 4:
        return [replace(convolution, inputs=[x.index, *convolution.inputs[1:]], outputs=[y.index], options=options)]
    first, last = image_of_line(x, rewriter), image_of_line(y, rewriter)
    return [rewriter.reshape(x, first),
            replace(convolution, inputs=[first.index, *convolution.inputs[1:]], outputs=[last.index], options=options),
            rewriter.reshape(last, y)]
