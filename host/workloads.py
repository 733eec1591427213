"""Six synthetic networks of the size of TPU v1's production workloads.

Weights, batch and layer counts are those of Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing
Unit", ISCA 2017, Table 1. Layer shapes were not published: ours are square, but LSTM1's matrices, which the paper gives
as 600x600. CNN0 looks at 19x19 positions (2888 MACs a weight = 361 positions x batch 8). CNN1 gets four fully connected
layers and 72 convolutions on 12x12 positions, which give its 1750 MACs a weight. A batch of images is one tall image.
Element-wise steps of the LSTMs and pooling are left out.
"""

from dataclasses import dataclass

import numpy as np

from .graph import Graph, Operator, Tensor

__all__ = ["WORKLOADS", "Workload", "build"]


@dataclass(frozen=True)
class Workload:
    """One network.

    Members
    -------
    dense : tuple (layers, size), square fully connected layers
    conv : tuple (layers, channels, positions a side), 3x3 convolutions before them
    batch : int
    published : dict, the paper's Table 3 in percent of cycles (`tops` in TOPS)
    """
    dense: tuple
    conv: tuple
    batch: int
    published: dict


def _table3(*values):
    return dict(zip(("array_active", "useful_macs", "unused_macs", "weight_stall", "weight_shift", "non_matrix",
                     "raw_stall", "input_stall", "tops"), values))


WORKLOADS = {
    "MLP0": Workload((5, 2000), (0, 0, 0), 200, _table3(12.7, 12.5, 0.3, 53.9, 15.9, 17.5, 3.3, 6.1, 12.3)),
    "MLP1": Workload((4, 1118), (0, 0, 0), 168, _table3(10.6, 9.4, 1.2, 44.2, 13.4, 31.9, 8.4, 8.8, 9.7)),
    "LSTM0": Workload((24, 1472), (0, 0, 0), 64, _table3(8.2, 8.2, 0.0, 58.1, 15.8, 17.9, 14.6, 5.1, 3.7)),
    "LSTM1": Workload((94, 600), (0, 0, 0), 96, _table3(10.5, 6.3, 4.2, 62.1, 17.1, 10.3, 10.6, 2.4, 2.8)),
    "CNN0": Workload((0, 0), (16, 236, 19), 8, _table3(78.2, 78.2, 0.0, 0.0, 0.0, 21.8, 3.5, 3.4, 86.0)),
    "CNN1": Workload((4, 4000), (72, 236, 12), 32, _table3(46.2, 22.5, 23.7, 28.1, 7.0, 18.7, 22.8, 0.6, 14.1)),
}


def build(name, scale=1):
    """The network as a graph with random weights.

    Parameters
    ----------
    name : str
        One of `WORKLOADS`.
    scale : int
        Divides layer sizes and batch: for a chip whose array is so many times smaller.
    """
    workload, rng = WORKLOADS[name], np.random.default_rng(0)
    tensors, operators = [], []

    def tensor(shape, data=None):
        one = np.ones(1, np.float32)
        tensors.append(Tensor(len(tensors), f"t{len(tensors)}", tuple(int(d) for d in shape), np.dtype(np.int8), one,
                              np.zeros(1, np.int64), 0, data))
        return len(tensors) - 1

    def weights(shape):
        return tensor(shape, rng.integers(1, 128, shape, np.int8))

    batch = max(1, workload.batch // scale)
    layers, channels, side = workload.conv
    channels //= scale
    last = None
    if layers:
        last = tensor((1, batch * side, side, channels))
        for _ in range(layers):
            output = tensor((1, batch * side, side, channels))
            operators.append(Operator(len(operators), "CONV_2D", [last, weights((channels, 3, 3, channels)), -1],
                                      [output], dict(stride_h=1, stride_w=1, dilation_h=1, dilation_w=1,
                                                     padding="SAME", activation="NONE")))
            last = output
    dense, size = workload.dense
    size //= scale
    if dense:
        # What lies between the convolutions and these layers is left out: they start from an input of their own.
        last = tensor((batch, size))
        for _ in range(dense):
            output = tensor((batch, size))
            operators.append(Operator(len(operators), "FULLY_CONNECTED", [last, weights((size, size)), -1], [output],
                                      dict(activation="NONE", keep_num_dims=False)))
            last = output
    starts = [t.index for t in tensors if t.data is None and all(t.index not in o.outputs for o in operators)]
    used = {i for o in operators for i in o.inputs}
    ends = [t.index for t in tensors if t.data is None and t.index not in used]
    return Graph(name, tensors, operators, starts, ends)
