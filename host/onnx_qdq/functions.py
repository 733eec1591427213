"""What each ONNX operator becomes in a `Graph`.

A function takes the builder and the node and gives what the node's output stands for (`result`), or a list, one for
each output. It takes the attributes that it knows out of the node; with others left the node stays in floats.
"""

from . import contraction, elementwise, movement, pooling, quantising, resize

__all__ = ["FUNCTIONS", "ON_INTEGERS"]

#: Operators that mean the same of int8 as of the reals that these stand for.
ON_INTEGERS = frozenset({"Concat", "DepthToSpace", "Flatten", "Gather", "GlobalMaxPool", "Identity", "MaxPool",
                         "ReduceMax", "ReduceMin", "Reshape", "Shape", "Slice", "SpaceToDepth", "Split", "Squeeze",
                         "Transpose", "Unsqueeze"})


#: ONNX's operators, all of domain ai.onnx.
FUNCTIONS = {
    **dict.fromkeys(elementwise.SINGLE, elementwise.single_element),
    "Add": elementwise.two_operands("ADD"),
    "AveragePool": pooling.average_pool,
    "BatchNormalization": contraction.batch_normalization,
    "Clip": elementwise.clip,
    "Concat": movement.concat,
    "Conv": contraction.conv,
    "ConvTranspose": contraction.conv_transpose,
    "DepthToSpace": movement.depth_to_space,
    "DequantizeLinear": quantising.dequantize,
    "Div": elementwise.two_operands(None),
    "Dropout": movement.same,
    "Flatten": movement.view,
    "Gather": movement.gather,
    "Gemm": contraction.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "GlobalMaxPool": pooling.global_max_pool,
    "Identity": movement.same,
    "MatMul": contraction.matmul,
    "Max": elementwise.extreme("MAXIMUM"),
    "MaxPool": pooling.max_pool,
    "Min": elementwise.extreme("MINIMUM"),
    "Mul": elementwise.two_operands("MUL"),
    "PRelu": elementwise.prelu,
    "Pad": movement.pad,
    "Pow": elementwise.two_operands(None),
    "QuantizeLinear": quantising.quantize,
    "ReduceMax": pooling.reduced("REDUCE_MAX"),
    "ReduceMean": pooling.reduced("MEAN"),
    "ReduceMin": pooling.reduced("REDUCE_MIN"),
    "ReduceSum": pooling.reduced("SUM"),
    "Relu": elementwise.relu,
    "Reshape": movement.view,
    "Resize": resize.resize,
    "Shape": movement.shape,
    "Slice": movement.slice_,
    "Softmax": elementwise.softmax,
    "SpaceToDepth": movement.space_to_depth,
    "Split": movement.split,
    "Squeeze": movement.view,
    "Sub": elementwise.two_operands("SUB"),
    "Transpose": movement.transpose,
    "Unsqueeze": movement.view,
}
