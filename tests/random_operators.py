"""Random models of a single operator (sizes, scales, zero points, options), and random inputs."""

import math

import numpy as np
from model_builder import Spec, constant
from systolith.host.graph import window

__all__ = ["EVERY_INT8", "Random", "stimulus"]

EVERY_INT8 = np.arange(-128, 128, dtype=np.int8)


def stimulus(rng, graph, index):
    """Random input, or each int8 once where it fits; floats reach beyond what int8 can hold."""
    tensor = graph.tensors[index]
    if tensor.dtype == np.float32:
        return rng.normal(0, 10, tensor.shape).astype(np.float32)
    if math.prod(tensor.shape) == EVERY_INT8.size:
        return EVERY_INT8.reshape(tensor.shape)
    return rng.integers(-128, 128, tensor.shape).astype(np.int8)


class Random:
    """A source of random models.

    Each method named like an operator gives (inputs, output or list of outputs, options), as `one_operator` takes them.

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
        return float(np.float32(2 ** self.rng.uniform(low, high)))

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

    def _two(self, same=False):
        whole = self.size(1, 4, 4)
        part = tuple(size if keep else 1 for size, keep in zip(whole, self.rng.integers(0, 2, 4)))[self.size(0, 4):]
        a = self.spec(*whole)
        b = self.spec(*part, like=a if same else None)
        output = Spec(whole, a.scale, a.zero_point) if same else Spec(whole, self.scale(-4, 1), self.zero())
        return ([a, b] if self.size(0, 1) else [b, a]), output

    def _arithmetic(self, options):
        return *self._two(), (options, {"fusedActivationFunction": self.size(0, 3)})

    def ADD(self):
        return self._arithmetic("AddOptions")

    def SUB(self):
        return self._arithmetic("SubOptions")

    def MUL(self):
        return self._arithmetic("MulOptions")

    def MAXIMUM(self):
        return *self._two(same=True), ("MaximumMinimumOptions", {})

    MINIMUM = MAXIMUM

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

    def RELU(self):
        return [self.spec(256)], self.spec(256), None

    RELU6 = RELU

    def LEAKY_RELU(self):
        return [self.spec(256)], self.spec(256), ("LeakyReluOptions", {"alpha": float(self.rng.uniform(-0.5, 2))})

    def HARD_SWISH(self):
        x = self.spec(256)
        return [x], Spec((256,), float(np.float32(x.scale * 2 ** self.rng.uniform(-6.5, 1))), self.zero()), None

    def LOGISTIC(self):
        return [self.spec(256)], Spec((256,), 1 / 256, -128), None

    def TANH(self):
        return [self.spec(256)], Spec((256,), 1 / 128, 0), None

    def SOFTMAX(self):
        shape = self.size(1, 3), self.size(1, 60)
        x = Spec(shape, self.scale(-9, 1), self.zero())
        return [x], Spec(shape, 1 / 256, -128), ("SoftmaxOptions", {"beta": float(self.rng.choice([0.3, 1, 2]))})

    def QUANTIZE(self):
        x = self.spec(256) if self.size(0, 1) else Spec((256,), None, dtype=np.float32)
        return [x], self.spec(256), ("QuantizeOptions", {})

    def DEQUANTIZE(self):
        return [self.spec(256)], Spec((256,), None, dtype=np.float32), ("DequantizeOptions", {})

    def PAD(self):
        x, amounts = self.spec(*self.size(1, 4, 4)), self.rng.integers(0, 3, (4, 2))
        shape = (np.array(x.shape) + amounts.sum(axis=1)).tolist()
        return [x, constant(amounts)], self.spec(*shape, like=x), ("PadOptions", {})

    def PADV2(self):
        (x, amounts), output, _ = self.PAD()
        fill = constant(self.zero(), np.int8, scale=x.scale, zero_point=x.zero_point)
        return [x, amounts, fill], output, ("PadV2Options", {})

    def CONCATENATION(self):
        axis, first = self.size(-4, 3), self.spec(*self.size(1, 4, 4))
        parts = [first]
        for _ in range(self.size(0, 2)):
            shape = list(first.shape)
            shape[axis] = self.size(1, 4)
            parts.append(self.spec(*shape, like=first))
        shape = list(first.shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return parts, self.spec(*shape, like=first), ("ConcatenationOptions", {"axis": axis})

    def TRANSPOSE(self):
        x, order = self.spec(*self.size(1, 5, 4)), self.rng.permutation(4)
        return [x, constant(order)], self.spec(*(x.shape[axis] for axis in order), like=x), ("TransposeOptions", {})

    def RESIZE_NEAREST_NEIGHBOR(self):
        x, size = self.spec(1, *self.size(1, 11, 2), 3), self.size(1, 12, 2)
        options = dict(zip(("alignCorners", "halfPixelCenters"),
                           [(False, False), (True, False), (False, True)][self.size(0, 2)]))
        return [x, constant(size)], self.spec(1, *size, 3, like=x), ("ResizeNearestNeighborOptions", options)

    def STRIDED_SLICE(self):
        x = self.spec(*self.size(2, 7, 4))
        begin, end, strides, shape = [], [], [], []
        begin_mask, end_mask, shrink_mask = self.size(0, 15), self.size(0, 15), self.size(0, 15) & self.size(0, 15)
        for axis, size in enumerate(x.shape):
            first, step = self.size(0, size - 1), self.size(1, 2)
            last = self.size(first + 1, size + 2)
            if self.size(0, 1):  # the same from the end, and backwards
                first, last, step = size - 1 - first, -1 - last, -step
            if shrink_mask >> axis & 1:
                begin_mask, end_mask = begin_mask & ~(1 << axis), end_mask & ~(1 << axis)
                last, step = first + 1, 1
            else:
                shape.append(len(range(size)[None if begin_mask >> axis & 1 else first:
                                             None if end_mask >> axis & 1 else last:step]))
            begin.append(first)
            end.append(last)
            strides.append(step)
        options = {"beginMask": begin_mask, "endMask": end_mask, "shrinkAxisMask": shrink_mask}
        return ([x, constant(begin), constant(end), constant(strides)], self.spec(*shape, like=x),
                ("StridedSliceOptions", options))

    def RESHAPE(self):
        x = self.spec(*self.size(1, 5, 3))
        return [x, constant([math.prod(x.shape)])], self.spec(math.prod(x.shape), like=x), None

    def EXPAND_DIMS(self):
        x = self.spec(*self.size(1, 5, 2))
        return [x, constant([1])], self.spec(x.shape[0], 1, x.shape[1], like=x), ("ExpandDimsOptions", {})

    def SQUEEZE(self):
        x = self.spec(self.size(), 1, self.size())
        return [x], self.spec(x.shape[0], x.shape[2], like=x), ("SqueezeOptions", {"squeezeDims": [1]})

    def ABS(self):
        return [self.spec(256)], self.spec(256), ("AbsOptions", {})

    def ELU(self):
        return [self.spec(256)], self.spec(256), None

    def RSQRT(self):
        return [Spec((256,), self.scale(-12, 3), -128)], self.spec(256), None

    def L2_NORMALIZATION(self):
        shape = (*self.size(1, 4, self.size(0, 3)), self.size(1, 60))
        return [self.spec(*shape)], Spec(shape, 1 / 128, 0), ("L2NormOptions", {})

    def PRELU(self):
        return *self._two(), None

    def SQUARED_DIFFERENCE(self):
        return *self._two(), None

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

    def _number(self, value):
        """A constant of rank 0 or 1."""
        return constant(value if self.size(0, 1) else [value])

    def _parts(self, sizes):
        """An input to be split along a dimension, that dimension, outputs of those sizes."""
        shape = list(self.size(1, 4, self.size(1, 4)))
        axis = self.size(-len(shape), len(shape) - 1)
        shape[axis] = sum(sizes)
        x = self.spec(*shape)
        outputs = []
        for size in sizes:
            shape[axis] = size
            outputs.append(self.spec(*shape, like=x))
        return x, axis, outputs

    def SPLIT(self):
        sizes = [self.size(1, 3)] * self.size(1, 4)
        x, axis, outputs = self._parts(sizes)
        return [self._number(axis), x], outputs, ("SplitOptions", {"numSplits": len(sizes)})

    def SPLIT_V(self):
        sizes = list(self.size(1, 4, self.size(1, 4)))
        x, axis, outputs = self._parts(sizes)
        if self.size(0, 1):
            sizes[self.size(0, len(sizes) - 1)] = -1
        sizes = constant(sizes, (np.int32, np.int64)[self.size(0, 1)])
        return [x, sizes, self._number(axis)], outputs, ("SplitVOptions", {"numSplits": len(outputs)})

    def PACK(self):
        shape, count = self.size(1, 4, self.size(0, 3)), self.size(1, 4)
        axis = self.size(-len(shape) - 1, len(shape))
        first = self.spec(*shape)
        place = axis % (len(shape) + 1)
        output = self.spec(*shape[:place], count, *shape[place:], like=first)
        return ([self.spec(*shape, like=first) for _ in range(count)], output,
                ("PackOptions", {"axis": axis, "valuesCount": count}))

    def UNPACK(self):
        parts, whole, (_, options) = self.PACK()
        return [whole], parts, ("UnpackOptions", {"axis": options["axis"], "num": len(parts)})

    def SLICE(self):
        x = self.spec(*self.size(1, 6, self.size(1, 5)))
        begin = [self.size(0, size - 1) for size in x.shape]
        shape = [self.size(1, size - first) for size, first in zip(x.shape, begin)]
        size = [-1 if first + length == whole and self.size(0, 1) else length
                for whole, first, length in zip(x.shape, begin, shape)]
        dtype = (np.int32, np.int64)[self.size(0, 1)]
        return [x, constant(begin, dtype), constant(size, dtype)], self.spec(*shape, like=x), None

    def GATHER(self):
        x = self.spec(*self.size(1, 5, self.size(1, 4)))
        rank = len(x.shape)
        axis = self.size(0, rank - 1)
        batch = self.size(0, axis)
        places = (*x.shape[:batch], *self.size(1, 4, self.size(0, 2)))
        output = self.spec(*x.shape[:axis], *places[batch:], *x.shape[axis + 1:], like=x)
        if batch < len(places) and self.size(0, 1):
            batch -= len(places)
        return ([x, constant(self.rng.integers(0, x.shape[axis], places))], output,
                ("GatherOptions", {"axis": axis - rank * self.size(0, 1), "batchDims": batch}))

    def MIRROR_PAD(self):
        x, mode = self.spec(*self.size(1, 5, self.size(1, 4))), self.size(0, 1)
        amounts = np.array([self.size(0, size - 1 + mode, 2) for size in x.shape])
        shape = (np.array(x.shape) + amounts.sum(axis=1)).tolist()
        amounts = constant(amounts, (np.int32, np.int64)[self.size(0, 1)])
        return [x, amounts], self.spec(*shape, like=x), ("MirrorPadOptions", {"mode": mode})

    def BROADCAST_TO(self):
        rank = self.size(1, 5)
        shape = self.size(1, 4, rank)
        part = tuple(size if self.size(0, 1) else 1 for size in shape)[self.size(0, rank):]
        x = self.spec(*part)
        return ([x, constant(shape, (np.int32, np.int64)[self.size(0, 1)])], self.spec(*shape, like=x),
                ("BroadcastToOptions", {}))

    def _blocks(self, around=True):
        """Shape of images, shape of the same cut into blocks, the blocks, and how much is around the images."""
        count = self.size(1, 2)
        grid, block, amounts = self.size(1, 4, count), self.size(1, 3, count), []
        for size, length in zip(grid, block):
            room = min(4, size * length - 1) if around else 0
            before = self.size(0, room)
            amounts.append((before, self.size(0, room - before)))
        image = [size * length - sum(pair) for size, length, pair in zip(grid, block, amounts)]
        batch, depth = self.size(1, 3), self.size(1, 4)
        return ((batch, *image, depth), (batch * math.prod(block), *grid, depth), constant(block), constant(amounts))

    def SPACE_TO_BATCH_ND(self, around=False):
        image, grid, block, amounts = self._blocks(around)
        x = self.spec(*image)
        return [x, block, amounts], self.spec(*grid, like=x), ("SpaceToBatchNDOptions", {})

    def BATCH_TO_SPACE_ND(self):
        image, grid, block, amounts = self._blocks()
        x = self.spec(*grid)
        return [x, block, amounts], self.spec(*image, like=x), ("BatchToSpaceNDOptions", {})

    def SPACE_TO_DEPTH(self):
        (batch, height, width, depth), block = self.size(1, 4, 4), self.size(1, 3)
        x = self.spec(batch, height * block, width * block, depth)
        output = self.spec(batch, height, width, depth * block * block, like=x)
        return [x], output, ("SpaceToDepthOptions", {"blockSize": block})

    def DEPTH_TO_SPACE(self):
        (whole,), cut, (_, options) = self.SPACE_TO_DEPTH()
        return [cut], whole, ("DepthToSpaceOptions", options)

    def RESIZE_BILINEAR(self):
        x, size = self.spec(self.size(1, 2), *self.size(1, 11, 2), 3), self.size(1, 30, 2)
        options = dict(zip(("alignCorners", "halfPixelCenters"),
                           [(False, False), (True, False), (False, True)][self.size(0, 2)]))
        return [x, constant(size)], self.spec(x.shape[0], *size, 3, like=x), ("ResizeBilinearOptions", options)
