"""What every kind of layer shares: the rows of its input it needs, and how it is cut into pieces."""

import itertools
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from systolith.sim.arithmetic import wrap32

from .box import Box

__all__ = ["PIECE_CYCLES", "Extent", "Layer", "Padding", "Piece", "Quantisation", "chunks"]

#: A layer of the vector unit is cut into pieces so that a later layer can start on the first: about this many cycles
#: each.
PIECE_CYCLES = 512


@dataclass(frozen=True)
class Padding:
    """Pixels that must be stored around an input, and what they hold (None: anything)."""
    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    fill: int | None = None


@dataclass
class Quantisation:
    """Per-channel requantisation of one layer.

    Members
    -------
    bias, multiplier, shift : int64 arrays, one entry a channel
    zero_point, minimum, maximum : int
    """
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    zero_point: int
    minimum: int
    maximum: int

    def columns(self, channels):
        """(bias, multiplier, shift) of an index array of channels, the bias wrapped to 32 bits."""
        return wrap32(self.bias[channels]), self.multiplier[channels], self.shift[channels]

    def part(self, first, last):
        """The same of channels first..last-1."""
        cut = slice(first, last)
        return replace(self, bias=self.bias[cut], multiplier=self.multiplier[cut], shift=self.shift[cut])


@dataclass
class Layer:
    """One operator that the chip executes.

    Members
    -------
    name : str, of the output tensor
    kind : str, of the operator
    unit : isa.Unit that bounds it, MATRIX or VECTOR; None if it takes no work
    sources : list of tensor numbers that it reads from the unified buffer
    target : tensor number that it writes
    macs : int, multiply-accumulates of the operator
    padding : dict from source to the `Padding` it needs stored
    """
    name: str
    kind: str
    unit: object
    sources: list
    target: int
    macs: int = 0
    padding: dict = field(default_factory=dict)

    #: Whether a source may hold columns beside those that are needed; rows it always may.
    slides = False
    #: Rows of the target that are there before it begins.
    kept = 0

    def moves_kept(self, target):
        """Whether the kept rows are elsewhere in the unified buffer than in the target, a `Layout`."""
        return False

    @property
    def weight_bytes(self):
        """Bytes of its weights, as the model has them."""
        return 0

    def work(self, config, layouts):
        """About how many cycles all of it takes on the chip.

        Parameters
        ----------
        config : Config
        layouts : dict from tensor number to `Layout`, whose addresses do not matter
        """
        target = layouts[self.target]
        vectors = -(-target.height * target.row_bytes // config.cols)
        return 0 if self.unit is None else vectors * config.vector_beats

    def needs(self, box, shapes):
        """What a part of the target is made of.

        Parameters
        ----------
        box : Box of the target
        shapes : dict from tensor number to (height, width, channels)

        Returns
        -------
        dict from source to Box
            Rows and columns outside the tensor are its padding.
        """
        return {source: Box.whole(shapes[source]) for source in self.sources}

    def part(self, box, held):
        """The layer that makes a part of the target from parts of the sources.

        Parameters
        ----------
        box : Box of the target; all of it, where the layer takes no work
        held : dict from source to the Box of it that is in the unified buffer
        """
        return self

    def prepare(self, builder, layouts):
        """What is emitted as soon as the layer's turn comes: atoms, as `Piece` has them.

        Parameters
        ----------
        builder : Builder
        layouts : dict from tensor number to `Layout`
        """
        return [] if self.unit is None else [partial(builder.fill_padding, layouts[self.target])]

    def begin(self, builder, layouts):
        """Plans the layer; emits nothing yet.

        Parameters
        ----------
        builder : Builder
        layouts : dict from tensor number to `Layout`

        Returns
        -------
        list of Piece
            To be emitted in this order, none where the layer takes no work.
        """
        return []


class Extent(NamedTuple):
    """A part of a tensor: its first rows with all their channels, and its first channels in all rows."""
    rows: int
    channels: int


@dataclass
class Piece:
    """A part of a layer that is emitted at one go, perhaps in turns with one of another layer.

    Members
    -------
    needs : dict from source to the `Extent` that must have been made; either of its two will do
    makes : Extent of the target that is complete with this piece
    atoms : list of callables without arguments that emit it, each by itself: between them a run may end and the next
        begin
    """
    needs: dict
    makes: Extent
    atoms: list


def chunks(height, width, limit, align=1):
    """Cuts an image into pieces of at most `limit` pixels: rows (y0, y1) and columns (x0, x1).

    Whole rows where a row fits, as evenly as possible; else parts of a row, cut at multiples of `align`.
    """
    if width <= limit:
        pieces = -(-height // max(1, limit // width))
        edges = [height * k // pieces for k in range(pieces + 1)]
        return [(y0, y1, 0, width) for y0, y1 in itertools.pairwise(edges)]
    pieces = -(-width // limit)
    edges = [*(width * k // pieces // align * align for k in range(pieces)), width]
    return [(y, y + 1, x0, x1) for y in range(height) for x0, x1 in itertools.pairwise(edges)]
