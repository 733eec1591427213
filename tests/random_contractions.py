"""Random convolutions, products, pools and reductions: see `random_operators`."""


import numpy as np
from model_builder import Spec, constant
from random_source import RandomSource

__all__ = ["RandomContractions"]


class RandomContractions(RandomSource):
    """Random convolutions, products, pools and reductions."""

    def CONV_2D(self):
        image, kernel, out, options = self.slide(True)
        groups, depth, outputs = self.size(1, 2), self.size(1, 4), self.size(1, 6)
        inputs = [self.spec(1, *image, groups * depth), self.weights(groups * outputs, *kernel, depth),
                  *self.bias(groups * outputs)]
        return inputs, self.spec(1, *out, groups * outputs), ("Conv2DOptions", options)

    def DEPTHWISE_CONV_2D(self):
        image, kernel, out, options = self.slide(True)
        channels, multiplier = self.size(1, 5), self.size(1, 3)
        outputs = channels * multiplier
        inputs = [self.spec(1, *image, channels), self.weights(1, *kernel, outputs, axis=3), *self.bias(outputs)]
        options = {**options, "depthMultiplier": multiplier}
        return inputs, self.spec(1, *out, outputs), ("DepthwiseConv2DOptions", options)

    def TRANSPOSE_CONV(self):
        image, kernel, out, options = self.slide(False)
        depth, outputs = self.size(1, 4), self.size(1, 4)
        inputs = [constant([1, *image, outputs]), self.weights(outputs, *kernel, depth), self.spec(1, *out, depth),
                  *self.bias(outputs)]
        return inputs, self.spec(1, *image, outputs), ("TransposeConvOptions", options)

    def FULLY_CONNECTED(self):
        batch, depth, outputs = self.size(1, 2), self.size(1, 30), self.size(2, 20)
        if self.size(0, 1):
            inputs = [self.spec(batch, depth), self.weights(outputs, depth), *self.bias(outputs)]
        else:
            values = self.rng.integers(-127, 128, (outputs, depth))
            inputs = [self.spec(batch, depth),
                      constant(values, np.int8, scale=self.scale(), zero_point=self.zero() * self.size(0, 1))]
        options = {"fusedActivationFunction": self.size(0, 3)}
        return inputs, self.spec(batch, outputs), ("FullyConnectedOptions", options)

    def AVERAGE_POOL_2D(self):
        image, kernel, out, options = self.slide(False)
        channels = self.size()
        x = self.spec(1, *image, channels)
        options = {**options, "filterHeight": kernel[0], "filterWidth": kernel[1]}
        return [x], self.spec(1, *out, channels, like=x), ("Pool2DOptions", options)

    MAX_POOL_2D = AVERAGE_POOL_2D

    def MEAN(self):
        shape, keep = self.size(1, 6, 4), bool(self.size(0, 1))
        axes = self.rng.choice(4, self.size(1, 2), replace=False).tolist()
        reduced = tuple(1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes)
        x = self.spec(*shape)
        output = self.spec(*reduced, like=x if self.size(0, 1) else None)
        return [x, constant(axes)], output, ("ReducerOptions", {"keepDims": keep})

    SUM = MEAN

    def BATCH_MATMUL(self):
        rows, depth, columns, rank = self.size(), self.size(1, 40), self.size(), self.size(0, 3)
        batch = self.size(1, 3, rank)
        shapes = []
        for matrix, flip in (((rows, depth), self.size(0, 1)), ((depth, columns), self.size(0, 1))):
            part = tuple(size if self.size(0, 2) else 1 for size in batch)
            shapes.append((part, matrix[::-1] if flip else matrix, bool(flip)))
        (batch_a, a, flip_a), (batch_b, b, flip_b) = shapes
        batch = np.broadcast_shapes(batch_a, batch_b)
        batch_b = batch_b[next((at for at, size in enumerate(batch_b) if size > 1), rank):]  # a lower rank broadcasts
        inputs = [self.spec(*batch_a, *a), self.spec(*batch_b, *b)]
        if self.size(0, 1):
            inputs[1] = constant(self.rng.integers(-128, 128, inputs[1].shape), np.int8, scale=self.scale(),
                                 zero_point=self.zero())
        return (inputs, Spec((*batch, rows, columns), self.scale(-7, 3), self.zero()),
                ("BatchMatMulOptions", {"adjX": flip_a, "adjY": flip_b}))

    def REDUCE_MAX(self):
        rank, keep = self.size(1, 4), bool(self.size(0, 1))
        x = self.spec(*self.size(1, 6, rank))
        axes = self.rng.integers(-rank, rank, self.size(1, 3))
        gone = {axis % rank for axis in axes.tolist()}
        shape = [1 if axis in gone else size for axis, size in enumerate(x.shape) if keep or axis not in gone]
        axes = axes[0] if len(gone) == 1 and self.size(0, 1) else axes
        return [x, constant(axes)], self.spec(*shape, like=x), ("ReducerOptions", {"keepDims": keep})

    REDUCE_MIN = REDUCE_MAX
