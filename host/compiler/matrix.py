"""Layers of the systolic array: convolution, fully connected, depthwise as a sparse product, function tables."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from systolith.rtl.isa import Unit
from systolith.sim.arithmetic import quantise_multiplier

from .layer import Extent, Piece, Quantisation, chunks
from .layout import Layout
from .passes import cover, group, tiles
from .window import WindowLayer

__all__ = ["MatrixLayer", "TableLayer"]

#: A layer is cut into about so many pieces, so that the next one can start on the first.
_PIECES = 6

#: With fewer vectors than so many for each row of the array a layer is cut by output channels instead.
_FEW_VECTORS = 4


@dataclass
class MatrixLayer(WindowLayer):
    """outputs[y, x, o] = requantise(sum over ky, kx, c of weights[ky, kx, c, o] * input[...] + bias[o]).

    The contraction runs along memory: the taps of a window are byte offsets from its first byte, and `cover` finds the
    fewest windows of `rows` bytes that hold them. Where a layer has few output channels, several neighbouring output
    pixels share the columns (`cycles`): their taps are offsets as well, and NHWC keeps their outputs contiguous.

    Members
    -------
    weights : int8 array (kernel height, kernel width, input channels, output channels)
    table : int8 array (256,) or None, applied to the result
    """
    weights: np.ndarray = None
    table: np.ndarray | None = None

    slides = True

    @property
    def weight_bytes(self):
        return self.weights.size

    def _input_channels(self, channels):
        return 0, self.weights.shape[2]

    def _parameters(self, first, last):
        return {**super()._parameters(first, last), "weights": self.weights[..., first:last]}

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

    def cycles(self, config, source, target):
        """About how many cycles it takes, and the number of output pixels side by side in the columns for it.

        Parameters
        ----------
        config : Config
        source, target : Layout or Lattice, whose addresses do not matter

        Returns
        -------
        (int, int)
        """
        def of(fold):
            blocks = self._blocks(*self._taps(source, fold), config)
            vectors = target.height * target.width // fold
            # A tile takes `tile_beats` cycles to shift in, however few vectors there are.
            return sum(max(len(starts) * max(vectors, config.tile_beats), vectors * config.beats)
                       for _, starts, _ in blocks), fold

        candidates = [f for f in range(1, config.cols + 1)
                      if f == 1 or (target.width % f == 0 and target.channels * f <= 2 * config.cols
                                    and target.step == target.channels)]
        return min(map(of, candidates))

    def work(self, config, layouts):
        return self.cycles(config, layouts[self.sources[0]], layouts[self.target])[0]

    def begin(self, builder, layouts):
        config, source, target = builder.config, layouts[self.sources[0]], layouts[self.target]
        _, fold = self.cycles(config, source, target)
        # In an image so narrow that a window has padding on both sides, two taps may be one byte of the padding that is
        # stored once. The weight that is then left out is in the bias, times the input's zero point.
        kept = self._taps(source, 1)[1].astype(np.int64).sum(axis=0)
        lost = self.weights.astype(np.int64).sum(axis=(0, 1, 2)) - kept
        quantisation = replace(self.quantisation, bias=self.quantisation.bias + source.fill * lost)
        blocks = [(columns, group(starts), weights,
                   builder.parameter_rows(*quantisation.columns(columns % target.channels)))
                  for columns, starts, weights in self._blocks(*self._taps(source, fold), config)]

        width, vectors, depth = target.width // fold, target.height * target.width // fold, config.accumulator_depth
        few = vectors < _FEW_VECTORS * config.rows
        weight_rows = sum(weights.shape[0] * config.rows + len(parameters) for _, _, weights, parameters in blocks)
        if few or weight_rows > config.weight_memory_rows:
            # Few vectors, or weights of which only a part is in the memory: cut by output channels, so that each weight
            # tile is loaded (or sent by the host) only once.
            parts = chunks(target.height, width, depth if few else depth // 2)
            need = {self.sources[0]: Extent(source.height, source.channels)}
            return [Piece(need, Extent(0, int(block[0][-1]) + 1 if fold == 1 else 0),
                          [partial(self._emit_block, builder, source, target, fold, part, block, number == 0)
                           for part in parts])
                    for number, block in enumerate(blocks)]

        def piece(y0, y1, x0, x1):
            makes = Extent(y1 if x1 == width else y0, 0)
            return Piece({self.sources[0]: Extent(self.last_row(y1), source.channels)}, makes,
                         [partial(self._emit_block, builder, source, target, fold, (y0, y1, x0, x1), block)
                          for block in blocks])

        # Each piece takes all weights again: with fewer vectors than `tile_beats` the array would wait for them, and
        # from a slow external memory with all but the largest pieces. Compact chips are slow to issue instructions.
        most = depth // 2
        large = config.weight_memory == "external" or config.compact
        limit = most if large else min(max(2 * config.rows, vectors // _PIECES), most)
        return [piece(*part) for part in chunks(target.height, width, limit)]

    def _emit_block(self, builder, source, target, fold, piece, block, first=False):
        """Array and activation unit on one piece and one block of output columns, perhaps the layer's first."""
        y0, y1, x0, x1 = piece
        columns, groups, weights, parameters = block
        (sy, sx), (top, left) = self.geometry.stride, self.geometry.before
        y_count, x_count = y1 - y0, x1 - x0
        count = x_count * y_count
        slot = builder.load_parameters(Unit.ACTIVATION, parameters)
        builder.load_tiles(weights)
        acc_address = builder.accumulators(count)
        if first and count == 1:
            # The layer before may still be writing its last outputs: start on what is there.
            groups = [*groups[:-1], *groups[-1].split()]
        origin = source.address(y0 * sy - top, x0 * fold * sx - left)
        for number, g in enumerate(groups):
            if count == 1:
                reads = [(origin + g.offset, min(origin + g.last + builder.config.rows, source.base + source.size))]
            else:
                reads = source.region(y0 * sy - top, self.last_row(y1))
            builder.configure(Unit.MATRIX, x_stride=fold * sx * source.channels, y_stride=sy * source.pitch,
                              pass0_count=g.count0, pass0_stride=g.stride0,
                              pass1_count=g.count1, pass1_stride=g.stride1)
            builder.convolve(reads, acc_address, count, x_count=x_count, y_count=y_count, accumulate=int(number > 0),
                             ub_address=origin + g.offset)
        if self.table is not None:
            # Late, for it waits until the layer before has used its own, and the tiles would wait behind it.
            builder.load_table(self.table)
        q = self.quantisation
        builder.configure(Unit.ACTIVATION, x_stride=fold * target.step, y_stride=target.pitch,
                          zero_point=q.zero_point, minimum=q.minimum, maximum=q.maximum)
        channels = (int(columns[0]), int(columns[-1]) + 1) if fold == 1 else None
        builder.activate(target.pixels(y0, y1, channels), acc_address, count, slot, table=int(self.table is not None),
                         x_count=x_count, y_count=y_count, columns=len(columns),
                         ub_address=target.address(y0, x0 * fold) + int(columns[0]))


@dataclass
class TableLayer(MatrixLayer):
    """Any function of single int8 elements: the array passes them on, the function table does the work.

    Members
    -------
    table : int8 array (256,), by the input's bit pattern
    """

    @property
    def weight_bytes(self):
        return self.table.size

    def work(self, config, layouts):
        target = layouts[self.target]
        return -(-target.height * target.row_bytes // min(config.rows, config.cols)) * config.beats

    def _input_channels(self, channels):
        return channels

    def _parameters(self, first, last):
        return {}

    def begin(self, builder, layouts):
        source, target = layouts[self.sources[0]], layouts[self.target]
        whole = source
        if not source.padded and not target.padded and source.size == target.size:
            # Elements are elements: as many of them side by side as the array takes.
            limit, size = min(builder.config.rows, builder.config.cols), source.size
            channels = _divisor(size, limit)
            # Rows stay rows where they can, so that the layer may begin before its input is complete.
            height = source.height if channels == _divisor(source.row_bytes, limit) else 1
            source, target = (Layout(height, size // height // channels, channels, base=t.base)
                              for t in (source, target))
        channels = source.channels
        self.weights = np.eye(channels, dtype=np.int8)[None, None]
        (multiplier, shift), ones = quantise_multiplier(1.0), np.ones(channels, np.int64)
        self.quantisation = Quantisation(0 * ones, multiplier * ones, shift * ones, 0, -128, 127)
        pieces = super().begin(builder, {self.sources[0]: source, self.target: target})
        # Channels are not the tensor's, and rows need not be.
        same = source.height == whole.height
        for piece in pieces:
            rows = piece.needs[self.sources[0]].rows if same else whole.height
            piece.needs = {self.sources[0]: Extent(rows, whole.channels)}
            piece.makes = Extent(piece.makes.rows if same else 0, 0)
        return pieces


def _divisor(size, limit):
    """The largest divisor of `size` that is not above `limit`."""
    return next(d for d in range(limit, 0, -1) if size % d == 0)
