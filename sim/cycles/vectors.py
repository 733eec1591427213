"""When the array multiplies, and how much of it by weights that are not zero."""

import numpy as np
from systolith.rtl.isa import Destination, Opcode

__all__ = ["Vectors", "useful_weights"]


class Vectors:
    """The passes of the matrix unit, in the order of time.

    Parameters
    ----------
    pace : int
        Cycles from a vector to the next one of its pass.
    """

    def __init__(self, pace=1):
        self._pace = pace
        self._first, self._vectors, self._tile = [], [], []
        self._tiles = -1  # the active tile: none before the first switch

    def add(self, first, vectors, passes, switch):
        """Passes of so many vectors one right after the other, from cycle `first` on.

        Each takes the next tile, or without `switch` keeps the active one.
        """
        self._first += range(first, first + vectors * self._pace * passes, vectors * self._pace)
        self._vectors += [vectors] * passes
        self._tile += range(self._tiles + 1, self._tiles + 1 + passes) if switch else [self._tiles] * passes
        self._tiles += passes * bool(switch)

    def until(self, cycles, weights=None):
        """How many vectors came before each of the cycles; with `weights` each counts as many as its tile has there."""
        first, vectors = np.array(self._first, np.int64), np.array(self._vectors, np.int64)
        # No tile is number -1: the last.
        worth = np.ones_like(vectors) if weights is None else np.append(weights, 0)[self._tile]
        before = np.concatenate([[0], np.cumsum(vectors * worth)])
        begun = np.searchsorted(first, cycles)
        last = np.maximum(begun - 1, 0)
        if not len(first):
            return before[begun]
        missing = np.maximum(vectors[last] + (first[last] - cycles) // self._pace, 0)
        return before[begun] - np.where(begun, missing * worth[last], 0)


def useful_weights(program, weights, rows):
    """How many weights of each tile are not zero, in the order in which the tiles are fetched.

    Parameters
    ----------
    program : list of Instruction
    weights : int8 or uint8 array (any number, cols)
        The weight memory from row 0 on.
    rows : int
        Of a tile.
    """
    fetches = [i.operands[1:3] for i in program
               if i.opcode is Opcode.READ_WEIGHTS and i.operands[0] == Destination.ARRAY]
    address, count = np.array(fetches, np.int64).reshape(-1, 2).T
    fetched = np.repeat(address - (np.cumsum(count) - count), count) + np.arange(count.sum())
    whole = len(fetched) // rows * rows
    low, high = (int(fetched.min()), int(fetched.max()) + 1) if len(fetched) else (0, 0)
    nonzero = weights[low:high] != 0
    counts = np.add.reduceat(nonzero.reshape(-1), np.arange(0, nonzero.size, nonzero.shape[1]), dtype=np.int64)
    return counts[fetched[:whole] - low].reshape(-1, rows).sum(axis=1)
