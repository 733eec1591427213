"""Six synthetic networks of the size of TPU v1's production workloads.

Weights, batch and layer counts are those of Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing
Unit", ISCA 2017, Table 1. Layer shapes were not published: ours are square, but LSTM1's matrices, which the paper gives
as 600x600. CNN0 looks at 19x19 positions (2888 MACs a weight = 361 positions x batch 8). CNN1 gets four fully connected
layers and 72 convolutions on 12x12 positions, which give its 1750 MACs a weight. A batch of images is one tall image.
Element-wise steps of the LSTMs and pooling are left out. `wide_input` gives the MLPs another shape.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np

from .graph import Graph, Operator, Tensor

__all__ = ["HOST_BYTES", "WORKLOADS", "Workload", "build", "wide_input"]

#: Bytes a second of TPU v1's PCIe link.
HOST_BYTES = 14_000_000_000


@dataclass(frozen=True)
class Workload:
    """One network.

    Members
    -------
    dense : tuple (layers, size), square fully connected layers
    conv : tuple (layers, channels, positions a side), 3x3 convolutions before them
    batch : int
    published : dict, the paper's Table 3 in percent of cycles (`tops` in TOPS)
    host_time : float, its Table 5: communication with the host, in percent of the execution's time
    model_error : float, its Table 7: cycles that its authors' performance model misses, in percent
    unified_buffer : float, its Table 8: MiB that are used of it
    """
    dense: tuple
    conv: tuple
    batch: int
    published: dict
    host_time: float
    model_error: float
    unified_buffer: float


def _table3(*values):
    return dict(zip(("array_active", "useful_macs", "unused_macs", "weight_stall", "weight_shift", "non_matrix",
                     "raw_stall", "input_stall", "tops"), values))


WORKLOADS = {
    "MLP0": Workload((5, 2000), (0, 0, 0), 200, _table3(12.7, 12.5, 0.3, 53.9, 15.9, 17.5, 3.3, 6.1, 12.3),
                     host_time=21, model_error=6.8, unified_buffer=11.0),
    "MLP1": Workload((4, 1118), (0, 0, 0), 168, _table3(10.6, 9.4, 1.2, 44.2, 13.4, 31.9, 8.4, 8.8, 9.7),
                     host_time=76, model_error=10.9, unified_buffer=2.3),
    "LSTM0": Workload((24, 1472), (0, 0, 0), 64, _table3(8.2, 8.2, 0.0, 58.1, 15.8, 17.9, 14.6, 5.1, 3.7),
                     host_time=11, model_error=7.7, unified_buffer=4.8),
    "LSTM1": Workload((94, 600), (0, 0, 0), 96, _table3(10.5, 6.3, 4.2, 62.1, 17.1, 10.3, 10.6, 2.4, 2.8),
                     host_time=20, model_error=5.4, unified_buffer=4.5),
    "CNN0": Workload((0, 0), (16, 236, 19), 8, _table3(78.2, 78.2, 0.0, 0.0, 0.0, 21.8, 3.5, 3.4, 86.0),
                     host_time=51, model_error=8.2, unified_buffer=1.5),
    "CNN1": Workload((4, 4000), (72, 236, 12), 32, _table3(46.2, 22.5, 23.7, 28.1, 7.0, 18.7, 22.8, 0.6, 14.1),
                     host_time=14, model_error=11.2, unified_buffer=13.9),
}


def wide_input(name):
    """Widths of an MLP, from its input on, whose input is as wide as the paper's Table 5 lets it be: if the link to the
    host did nothing but send it. The other layers are square, and all weights are as many as of the square network.

    Returns
    -------
    list of int
    """
    workload = WORKLOADS[name]
    layers, size = workload.dense
    weights = layers * size**2
    time = 2 * weights * workload.batch / (workload.published["tops"] * 1e12)
    width = workload.host_time / 100 * time * HOST_BYTES / workload.batch
    others = (sqrt(width**2 + 4 * (layers - 1) * weights) - width) / (2 * (layers - 1))
    return [round(width)] + [round(others)] * layers


def build(name, scale=1, widths=None):
    """The network as a graph with random weights.

    Parameters
    ----------
    name : str
        One of `WORKLOADS`.
    scale : int
        Divides layer sizes and batch: for a chip whose array is so many times smaller.
    widths : list of int, optional
        Of the fully connected layers' inputs, and of the last one's output, instead of square ones.
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
        widths = widths or [size] * (dense + 1)
        last = tensor((batch, widths[0]))
        for before, after in pairwise(widths):
            output = tensor((batch, after))
            operators.append(Operator(len(operators), "FULLY_CONNECTED", [last, weights((after, before)), -1],
                                      [output], dict(activation="NONE", keep_num_dims=False)))
            last = output
    starts = [t.index for t in tensors if t.data is None and all(t.index not in o.outputs for o in operators)]
    used = {i for o in operators for i in o.inputs}
    ends = [t.index for t in tensors if t.data is None and t.index not in used]
    return Graph(name, tensors, operators, starts, ends)
