"""What an operator's function is given: its options and tensors, and the steps that many operators share."""

from dataclasses import dataclass

import numpy as np
from systolith.sim.arithmetic import quantise_multiplier, requantise, wrap32

from ..graph import Tensor, activation_range, windows

__all__ = ["Node"]


@dataclass(eq=False)
class Node:
    """One operator with its tensors looked up.

    Members
    -------
    options : dict, as in `Operator`
    inputs : list of Tensor, None where an optional input is absent
    outputs : list of Tensor
    output : Tensor, the first output, which is the only one of most operators
    """
    options: dict
    inputs: list[Tensor | None]
    outputs: list[Tensor]

    @property
    def output(self):
        """The first output."""
        return self.outputs[0]

    def zero(self, index):
        """Zero point of an input."""
        return int(self.inputs[index].zero_point[0])

    def centred(self, index, values):
        """Values of an input as int64, less its zero point."""
        return values.astype(np.int64) - self.zero(index)

    def clamp(self, values, activation=None):
        """Confined to the range that an activation, by default the fused one, leaves of int8."""
        activation = activation or self.options.get("activation", "NONE")
        return np.clip(values, *activation_range(activation, self.output.scale[0], self.output.zero_point[0]))

    def finish(self, accumulated, factor, activation=None):
        """From int32 sums (wrapped, as in the reference) to the output's scale, zero point and activation."""
        scaled = requantise(wrap32(accumulated), *quantise_multiplier(factor))
        return self.clamp(scaled + self.output.zero_point[0], activation)

    def taps(self, x, kernel, fill):
        """The input as each tap of a sliding window sees it.

        Parameters
        ----------
        x : array [batch, height, width, channels]
        kernel : (height, width)
        fill : value outside the image

        Yields
        ------
        (row, column, array [batch, output height, output width, channels]) for each tap
        """
        options = self.options
        strides = options["stride_h"], options["stride_w"]
        dilations = options.get("dilation_h", 1), options.get("dilation_w", 1)
        (height, top, bottom), (width, left, right) = windows(x.shape[1:3], kernel, options)
        padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        for row in range(kernel[0]):
            y = row * dilations[0]
            for column in range(kernel[1]):
                x0 = column * dilations[1]
                yield row, column, padded[:, y:y + (height - 1) * strides[0] + 1:strides[0],
                                          x0:x0 + (width - 1) * strides[1] + 1:strides[1]]
