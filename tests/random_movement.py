"""Random operators that move elements: see `random_operators`."""

import math

import numpy as np
from model_builder import constant
from random_source import RandomSource

__all__ = ["RandomMovement"]


class RandomMovement(RandomSource):
    """Random operators that move elements."""

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
