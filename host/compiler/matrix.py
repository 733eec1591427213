"""Layers of the systolic array: convolution, fully connected, depthwise as a sparse product, function tables."""

from dataclasses import dataclass

import numpy as np
from systolith.rtl.isa import Unit
from systolith.sim.arithmetic import quantise_multiplier

from .builder import PARAMETER_ROWS
from .layer import Layer, Quantisation, chunks
from .layout import Layout
from .passes import cover, group, tiles

__all__ = ["Geometry", "MatrixLayer", "TableLayer"]


@dataclass(frozen=True)
class Geometry:
    """The sliding window of a layer, one entry for each axis (y, x)."""
    kernel: tuple = (1, 1)
    stride: tuple = (1, 1)
    dilation: tuple = (1, 1)
    before: tuple = (0, 0)


@dataclass
class MatrixLayer(Layer):
    """outputs[y, x, o] = requantise(sum over ky, kx, c of weights[ky, kx, c, o] * input[...] + bias[o]).

    The contraction runs along memory: the taps of a window are byte offsets from its first byte, and `cover` finds the
    fewest windows of `rows` bytes that hold them. Where a layer has few output channels, several neighbouring output
    pixels share the columns (`_fold`): their taps are offsets as well, and NHWC keeps their outputs contiguous.

    Members
    -------
    geometry : Geometry
    weights : int8 array (kernel height, kernel width, input channels, output channels)
    quantisation : Quantisation
    table : int8 array (256,) or None, applied to the result
    """
    geometry: Geometry = None
    weights: np.ndarray = None
    quantisation: Quantisation = None
    table: np.ndarray | None = None

    def _taps(self, source, fold):
        """Byte offsets of the taps from the window's first byte, sorted, and their weights for `fold` output pixels."""
        kh, kw, cin, cout = self.weights.shape
        ky, kx, c = np.meshgrid(np.arange(kh), np.arange(kw), np.arange(cin), indexing="ij")
        (dy, dx), step = self.geometry.dilation, self.geometry.stride[1] * source.channels
        offsets = (ky * dy * source.pitch + kx * dx * source.channels + c).reshape(-1)
        shifted = [offsets + pixel * step for pixel in range(fold)]
        union = np.unique(np.concatenate(shifted))
        weights = np.zeros((len(union), fold, cout), np.int8)
        for pixel, places in enumerate(shifted):
            weights[np.searchsorted(union, places), pixel] = self.weights.reshape(-1, cout)
        return union, weights.reshape(len(union), fold * cout)

    def _blocks(self, offsets, weights, config):
        """Output columns in blocks of at most `cols`; a block keeps only the taps that it has weights for."""
        blocks = []
        for first in range(0, weights.shape[1], config.cols):
            columns = np.arange(first, min(first + config.cols, weights.shape[1]))
            used = weights[:, columns].any(axis=1)
            used[0] |= not used.any()
            starts = cover(offsets[used], config.rows)
            blocks.append((columns, starts, tiles(offsets[used], weights[used][:, columns], starts,
                                                  config.rows, config.cols)))
        return blocks

    def _fold(self, source, target, config):
        """Number of output pixels side by side in the columns that takes the fewest cycles."""
        def cycles(fold):
            blocks = self._blocks(*self._taps(source, fold), config)
            vectors = target.height * target.width // fold
            return sum(max(len(starts) * vectors, vectors * config.beats) for _, starts, _ in blocks), fold

        candidates = [f for f in range(1, config.cols + 1)
                      if target.width % f == 0 and (f == 1 or target.channels * f <= 2 * config.cols)]
        return min(map(cycles, candidates))[1]

    def emit(self, builder, layouts):
        config, source, target = builder.config, layouts[self.sources[0]], layouts[self.target]
        fold = self._fold(source, target, config)
        blocks = []
        for columns, starts, weights in self._blocks(*self._taps(source, fold), config):
            parameters = builder.parameter_rows(*self.quantisation.columns(columns % target.channels))
            blocks.append((columns, group(starts), builder.store_tiles(weights), builder.store(parameters)))
        if self.table is not None:
            builder.load_table(self.table)
        builder.fill(target.padding_runs(), target.fill, (target.base, target.base + target.size))
        for piece in chunks(target.height, target.width // fold, config.accumulator_depth // 2):
            for block in blocks:
                self._emit_block(builder, source, target, fold, piece, block)

    def _emit_block(self, builder, source, target, fold, piece, block):
        y0, y1, x0, x1 = piece
        columns, groups, weight_address, parameter_address = block
        geometry = self.geometry
        (sy, sx), (top, left) = geometry.stride, geometry.before
        y_count, x_count = y1 - y0, x1 - x0
        count = x_count * y_count
        slot = builder.load_parameters(Unit.ACTIVATION, parameter_address, PARAMETER_ROWS)
        builder.load_tiles(weight_address, sum(g.passes for g in groups))
        acc_address = builder.accumulators(count)
        reads = source.rows(y0 * sy - top, (y1 - 1) * sy - top + (geometry.kernel[0] - 1) * geometry.dilation[0] + 1)
        for number, g in enumerate(groups):
            builder.configure(Unit.MATRIX, x_stride=fold * sx * source.channels, y_stride=sy * source.pitch,
                              pass0_count=g.count0, pass0_stride=g.stride0,
                              pass1_count=g.count1, pass1_stride=g.stride1)
            builder.convolve(reads, acc_address, count, x_count=x_count, y_count=y_count, accumulate=int(number > 0),
                             ub_address=source.address(y0 * sy - top, x0 * fold * sx - left) + g.offset)
        q = self.quantisation
        builder.configure(Unit.ACTIVATION, x_stride=fold * target.channels, y_stride=target.pitch,
                          zero_point=q.zero_point, minimum=q.minimum, maximum=q.maximum)
        builder.activate(target.rows(y0, y1), acc_address, count, slot, table=int(self.table is not None),
                         x_count=x_count, y_count=y_count, columns=len(columns),
                         ub_address=target.address(y0, x0 * fold) + int(columns[0]))


@dataclass
class TableLayer(MatrixLayer):
    """Any function of single int8 elements: the array passes them on, the function table does the work.

    Members
    -------
    table : int8 array (256,), by the input's bit pattern
    """

    def emit(self, builder, layouts):
        source, target = layouts[self.sources[0]], layouts[self.target]
        if not source.padded and not target.padded:
            # Elements are elements: as many of them side by side as the array takes.
            limit, size = min(builder.config.rows, builder.config.cols), source.size
            channels = next(c for c in range(limit, 0, -1) if size % c == 0)
            source, target = (Layout(1, size // channels, channels, base=t.base) for t in (source, target))
        channels = source.channels
        self.geometry, self.weights = Geometry(), np.eye(channels, dtype=np.int8)[None, None]
        (multiplier, shift), same = quantise_multiplier(1.0), np.ones(channels, np.int64)
        self.quantisation = Quantisation(0 * same, multiplier * same, shift * same, 0, -128, 127)
        super().emit(builder, {self.sources[0]: source, self.target: target})
