"""The sizes, scales and constants of which random operators are made."""

import numpy as np
from model_builder import Spec, constant
from systolith.host.graph import window

__all__ = ["RandomSource"]


class RandomSource:
    """A source of random numbers and tensors.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def size(self, low=1, high=8, count=None):
        sizes = self.rng.integers(low, high + 1, count)
        return int(sizes) if count is None else tuple(sizes.tolist())

    def scale(self, low=-7, high=-1):
        """Any one, or one of a single decimal digit: what such scales make is often close to a half."""
        scale = 2 ** self.rng.uniform(low, high)
        return float(np.float32(f"{scale:.1g}" if self.rng.integers(2) else scale))

    def zero(self):
        return int(self.rng.integers(-128, 128))

    def spec(self, *shape, like=None):
        return Spec(shape, self.scale(), self.zero()) if like is None else Spec(shape, like.scale, like.zero_point)

    def weights(self, *shape, axis=0):
        values = self.rng.integers(-127, 128, shape)
        return constant(values, np.int8, scale=[self.scale() for _ in range(shape[axis])], axis=axis)

    def bias(self, count):
        """A bias, or none."""
        return [constant(self.rng.integers(-3000, 3000, count))] if self.rng.integers(2) else []

    def slide(self, dilate):
        """A window that fits at least once: image size, kernel, output size, options."""
        while True:
            image, kernel, strides = self.size(count=2), self.size(1, 4, 2), self.size(1, 3, 2)
            dilations = self.size(1, 2, 2) if dilate else (1, 1)
            padding = self.size(0, 1)
            out = tuple(window(*each, ("SAME", "VALID")[padding])[0]
                        for each in zip(image, kernel, strides, dilations))
            if min(out) > 0:
                options = {"padding": padding, "strideH": strides[0], "strideW": strides[1],
                           "fusedActivationFunction": self.size(0, 3)}
                if dilate:
                    options |= {"dilationHFactor": dilations[0], "dilationWFactor": dilations[1]}
                return image, kernel, out, options
