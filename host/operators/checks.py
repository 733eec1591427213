"""What must hold of an operator's tensors and options before it can be evaluated."""

import math

import numpy as np

from ..graph import MOST_DIMENSIONS, ModelError
from . import comparison_rules, contraction_rules, movement_rules
from .activation import rsqrt_factor
from .comparison_rules import COMPARISONS, LOGICAL
from .elementwise import squared_difference_factor
from .need import broadcast_shape, constant, need, rescale

__all__ = ["check"]


def check(graph, operator):
    """Refuses an operator whose tensors or options do not belong together; gives outputs their shapes where a file does
    not know them.

    Errors
    ------
    ModelError
        With a sentence whose subject, the operator, the caller adds.
    """
    tensors = [graph.tensors[index] if index >= 0 else None for index in operator.inputs]
    rule, least, most = _RULES[operator.kind]
    if len(tensors) == most == least + 1 and tensors[-1] is None:
        tensors.pop()
    need(least <= len(tensors) <= most and None not in tensors,
         f"must have {least} to {most} inputs, not {len(tensors)}")
    outputs = [graph.tensors[index] for index in operator.outputs]
    several = operator.kind in _SEVERAL
    need(several or len(outputs) == 1, f"must have one output, not {len(outputs)}")
    need(len(set(operator.outputs)) == len(outputs) > 0, f"must have outputs, all different, not {operator.outputs}")
    for name, value in operator.options.items():
        if name.startswith(("stride_", "dilation_", "filter_")):
            need(1 <= value <= 4096, f"must have {name} between 1 and 4096, not {value}")
        if name.startswith("pad_"):
            need(0 <= value <= 4096, f"must have {name} between 0 and 4096, not {value}")
    need(operator.options.get("activation", "NONE") in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"),
         f"has the activation {operator.options.get('activation')}, expected none or a kind of RELU")
    for tensor in tensors[_OPERANDS.get(operator.kind, slice(1))]:
        need(tensor.dtype in (np.int8, np.float32) or (tensor.dtype, operator.kind) == (np.uint8, "QUANTIZE"),
             f"computes on {tensor.dtype} (tensor {tensor.index}), expected int8")
    try:
        shapes = rule(operator.options, outputs if several else outputs[0], *tensors)
    except KeyError as error:
        raise ModelError(f"lacks the option {error.args[0]}") from None
    for shape, output in zip(shapes if several else [shapes], outputs, strict=True):
        if not output.sized:
            need(all(size > 0 for size in shape) and math.prod(shape) < 1 << 31 and len(shape) <= MOST_DIMENSIONS,
                 f"makes an output of shape {list(shape)}, expected at least one element, fewer than 2**31 and at most "
                 f"{MOST_DIMENSIONS} dimensions")
            output.shape, output.sized = tuple(shape), True
        need(tuple(shape) == output.shape, f"has an output of shape {list(output.shape)}, expected {list(shape)}")


def _reduced(options, output, x, axes):
    rescale(x.scale[0], output)
    axes = constant(axes, (None,) * min(1, len(axes.shape))).reshape(-1).tolist()
    need(all(-len(x.shape) <= axis < len(x.shape) for axis in axes), f"reduces dimensions {axes} of {len(x.shape)}")
    gone = {axis % len(x.shape) for axis in axes}
    if options["keep_dims"]:
        return tuple(1 if axis in gone else size for axis, size in enumerate(x.shape))
    return tuple(size for axis, size in enumerate(x.shape) if axis not in gone)


def _extreme(options, output, x, axes):
    shape = _reduced(options, output, x, axes)
    need(x.scale[0] == output.scale[0] and x.zero_point[0] == output.zero_point[0],
         "must have an output of its input's scale and zero point")
    return shape


def _same(_options, output, x):
    if len(x.scale) and len(output.scale):
        rescale(x.scale[0], output)
    return x.shape


def _lookup(options, _output, x):
    need(len(options["table"]) == 256, f"has a table of {len(options['table'])} numbers, expected 256")
    return x.shape


def _elu(_options, output, x):
    # So far that the reference's conversion from float to int32 holds every value.
    rescale(256 * x.scale[0], output)
    return x.shape


def _gelu(options, output, x):
    need("approximate" in options, "lacks the option approximate")
    return _same(options, output, x)


def _rsqrt(_options, output, x):
    need(2.0 ** -12 <= rsqrt_factor(x, output) < 1 << 30,
         "has an output scale more than 2**12 or less than 2**-30 of the inverse root of its input's")
    return x.shape


def _l2_normalization(options, output, x):
    need(options.get("activation", "NONE") == "NONE", f"has the activation {options.get('activation')}, expected none")
    need(output.scale[0] == 1 / 128 and output.zero_point[0] == 0,
         "must have an output of scale 1/128 and zero point 0")
    need(x.shape, "normalises a single number, expected vectors")
    return x.shape


def _leaky_relu(options, output, x):
    need(abs(options["alpha"]) <= 1e6, f"must have an alpha between -1e6 and 1e6, not {options['alpha']}")
    rescale(x.scale[0] * max(1, abs(options["alpha"])), output)
    return x.shape


def _softmax(options, output, x):
    need(options["beta"] > 0, f"must have a positive beta, not {options['beta']}")
    need(output.scale[0] == 1 / 256 and output.zero_point[0] == -128,
         "must have an output of scale 1/256 and zero point -128")
    return x.shape


def _hard_swish(_options, output, x):
    need(x.scale[0] < 128 * output.scale[0], "must have an output scale above 1/128 of its input's")
    return x.shape


def _broadcast(_options, output, a, b):
    rescale(max(a.scale[0], b.scale[0]), output)
    return broadcast_shape(a.shape, b.shape)


def _product(_options, output, a, b):
    rescale(a.scale[0] * b.scale[0], output)
    return broadcast_shape(a.shape, b.shape)


def _prelu(_options, output, x, alpha):
    rescale(max(x.scale[0], x.scale[0] * alpha.scale[0]), output)
    return broadcast_shape(x.shape, alpha.shape)


def _squared_difference(_options, output, a, b):
    need(squared_difference_factor(a, b, output) < 1 << 30,
         "has an output scale less than 2**-30 of what it computes in")
    return broadcast_shape(a.shape, b.shape)


#: Kind -> (rule, least and greatest number of inputs). A rule gives the shape that the output must have.
_RULES = {
    **dict.fromkeys(("ABS", "DEQUANTIZE", "EXP", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "TANH"), (_same, 1, 1)),
    **dict.fromkeys(("ADD", "MAXIMUM", "MINIMUM", "SUB"), (_broadcast, 2, 2)),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), (contraction_rules.pooled, 1, 1)),
    **dict.fromkeys(COMPARISONS, (comparison_rules.compared, 2, 2)),
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_OR"), (comparison_rules.logical, 2, 2)),
    **dict.fromkeys(("MEAN", "SUM"), (_reduced, 2, 2)),
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN"), (_extreme, 2, 2)),
    "BATCH_MATMUL": (contraction_rules.batch_matmul, 2, 2),
    "BATCH_TO_SPACE_ND": (movement_rules.batch_to_space_nd, 3, 3),
    "BROADCAST_TO": (movement_rules.broadcast_to, 2, 2),
    "CONCATENATION": (movement_rules.concatenated, 1, 1 << 10),
    "CONV_2D": (contraction_rules.conv_2d, 2, 3),
    "DEPTHWISE_CONV_2D": (contraction_rules.depthwise_conv_2d, 2, 3),
    "DEPTH_TO_SPACE": (movement_rules.depth_to_space, 1, 1),
    "ELU": (_elu, 1, 1),
    "EXPAND_DIMS": (movement_rules.expanded, 2, 2),
    "FULLY_CONNECTED": (contraction_rules.fully_connected, 2, 3),
    "GATHER": (movement_rules.gather, 2, 2),
    "GELU": (_gelu, 1, 1),
    "HARD_SWISH": (_hard_swish, 1, 1),
    "L2_NORMALIZATION": (_l2_normalization, 1, 1),
    "LEAKY_RELU": (_leaky_relu, 1, 1),
    "LOGICAL_NOT": (comparison_rules.logical, 1, 1),
    "LOOKUP": (_lookup, 1, 1),
    "MIRROR_PAD": (movement_rules.mirror_padded, 2, 2),
    "MUL": (_product, 2, 2),
    "ONNX_FLOATS": (lambda _options, output, *_tensors: output.shape, 2, 1 << 10),
    "PACK": (movement_rules.pack, 1, 1 << 10),
    "PAD": (movement_rules.padded, 2, 2),
    "PADV2": (movement_rules.padded, 3, 3),
    "PRELU": (_prelu, 2, 2),
    "RESHAPE": (movement_rules.reshaped, 1, 2),
    "RESIZE_BILINEAR": (movement_rules.resized_bilinear, 2, 2),
    "RESIZE_NEAREST_NEIGHBOR": (movement_rules.resized, 2, 2),
    "RSQRT": (_rsqrt, 1, 1),
    "SELECT_V2": (comparison_rules.selected, 3, 3),
    "SLICE": (movement_rules.sliced, 3, 3),
    "SOFTMAX": (_softmax, 1, 1),
    "SPACE_TO_BATCH_ND": (movement_rules.space_to_batch_nd, 3, 3),
    "SPACE_TO_DEPTH": (movement_rules.space_to_depth, 1, 1),
    "SPLIT": (movement_rules.split, 2, 2),
    "SPLIT_V": (movement_rules.split_v, 3, 3),
    "SQUARED_DIFFERENCE": (_squared_difference, 2, 2),
    "SQUEEZE": (movement_rules.squeezed, 1, 1),
    "STRIDED_SLICE": (movement_rules.strided, 4, 4),
    "TILE": (movement_rules.tile, 2, 2),
    "TRANSPOSE": (movement_rules.transposed, 2, 2),
    "TRANSPOSE_CONV": (contraction_rules.transpose_conv, 3, 4),
    "UNPACK": (movement_rules.unpack, 1, 1),
}

#: Kinds with several outputs: their rules take a list of outputs and give a list of shapes.
_SEVERAL = frozenset({"SPLIT", "SPLIT_V", "UNPACK"})

#: Which inputs are computed on; where not said, the first. Others are weights, or say what to do.
_OPERANDS = {
    **dict.fromkeys(("ADD", "BATCH_MATMUL", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"),
                    slice(2)),
    **dict.fromkeys(COMPARISONS, slice(2)),
    **dict.fromkeys(LOGICAL, slice(0)),
    "CONCATENATION": slice(None),
    "ONNX_FLOATS": slice(-1),
    "PACK": slice(None),
    "PADV2": slice(0, 3, 2),
    "SELECT_V2": slice(1, 3),
    "SPLIT": slice(1, 2),
    "TRANSPOSE_CONV": slice(2, 3),
}
