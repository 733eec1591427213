"""The wires of a netlist as an optimisation problem: where do cells go for wires to be short?"""

import numpy as np
from scipy import sparse

__all__ = ["Hypergraph", "spread"]


class Hypergraph:
    """Cells and the nets that join them; the positions of all cells along one axis are an array.

    Parameters
    ----------
    nets : list of arrays of int
        Of each net its cells, each once, at least two.
    """

    def __init__(self, nets):
        self._sizes = np.array([len(net) for net in nets])
        self._pins = np.concatenate(nets)
        self._first = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._net = np.repeat(np.arange(len(nets)), self._sizes)

    def _sorted(self, positions):
        """Pins, those of a net in the order of their places."""
        return np.lexsort((positions[self._pins], self._net))

    def length(self, positions):
        """Sum over the nets of the extent along the axis, half the perimeter of their boxes if added for both axes."""
        places = positions[self._pins]
        return float((np.maximum.reduceat(places, self._first) - np.minimum.reduceat(places, self._first)).sum())

    def solve(self, positions, anchors, pull):
        """Positions of shorter wires, with each cell pulled to its anchor with a force.

        One step of quadratic placement. Springs join all pins of a net to its outermost two: their energy at
        `positions` is the length of the net (P. Spindler et al., "Kraftwerk2", IEEE Trans. CAD 27 (2008)).
        """
        pins = self._pins[self._sorted(positions)]
        low, high = pins[self._first][self._net], pins[self._first + self._sizes - 1][self._net]
        rank = np.arange(len(pins)) - self._first[self._net]
        to_low, to_high = rank > 0, (rank > 0) & (rank < self._sizes[self._net] - 1)
        a = np.concatenate([pins[to_low], pins[to_high]])
        b = np.concatenate([low[to_low], high[to_high]])
        springs = 2 / (self._sizes - 1)[self._net]
        springs = np.concatenate([springs[to_low], springs[to_high]]) / np.maximum(abs(positions[a] - positions[b]), 1)
        pull = pull / np.maximum(abs(positions - anchors), 1)

        cells = len(positions)
        joins = sparse.coo_matrix((springs, (a, b)), shape=(cells, cells))
        joins = (joins + joins.T).tocsr()
        diagonal = np.asarray(joins.sum(axis=1)).ravel() + pull + 1e-6
        return _conjugate_gradients(sparse.diags(diagonal) - joins, diagonal, pull * anchors + 1e-6 * positions,
                                    positions)

    def growth(self, positions, cells, candidates):
        """How much wires grow if one of some cells goes to one of some places and all others stay: cells x places."""
        order = self._sorted(positions)
        places = positions[self._pins[order]]
        last = self._first + self._sizes - 1
        index = np.full(len(positions), -1)
        index[cells] = np.arange(len(cells))
        moved = np.flatnonzero(index[self._pins] >= 0)
        net = self._net[moved]
        # The box of the other pins.
        low = np.where(order[self._first][net] == moved, places[self._first + 1][net], places[self._first][net])
        high = np.where(order[last][net] == moved, places[last - 1][net], places[last][net])
        beyond = (np.maximum(0, low[:, None] - candidates) + np.maximum(0, candidates - high[:, None]))
        growth = np.zeros((len(cells), len(candidates)))
        np.add.at(growth, index[self._pins[moved]], beyond)
        return growth


def _conjugate_gradients(matrix, diagonal, right, x):
    """Solves `matrix @ x == right`, from `x` on.

    scipy's own adds up products by BLAS, in an order that depends on the processor and its threads. A sum that differs
    in its last bit makes another floor plan in the end, and with it another clock: each machine would have its own.
    """
    def dot(a, b):
        return (a * b).sum()

    residual, direction, before = right - matrix @ x, 0, np.inf
    limit = 1e-12 * dot(right, right)
    for _ in range(300):
        if dot(residual, residual) <= limit:
            break
        gradient = residual / diagonal
        slope = dot(residual, gradient)
        direction = gradient + slope / before * direction
        before = slope
        along = matrix @ direction
        step = slope / dot(direction, along)
        x, residual = x + step * direction, residual - step * along
    return x


def spread(x, y, areas, box):
    """Moves cells apart so that they fill a box evenly, in an order along either axis that is close to what it was.

    Parameters
    ----------
    x, y, areas : arrays
    box : tuple
        x from, x to, y from, y to.

    Returns
    -------
    tuple of arrays
        New x and y.
    """
    spread_x, spread_y = np.empty(len(x)), np.empty(len(y))
    parts = [(np.arange(len(x)), box)]
    while parts:
        cells, (x0, x1, y0, y1) = parts.pop()
        if len(cells) <= 24:
            for target, places, low, high in ((spread_x, x, x0, x1), (spread_y, y, y0, y1)):
                rank = np.argsort(np.argsort(places[cells], kind="stable"), kind="stable")
                target[cells] = low + (rank + 0.5) / len(cells) * (high - low)
            continue
        wide = x1 - x0 >= y1 - y0
        cells = cells[np.argsort((x if wide else y)[cells], kind="stable")]
        filled = np.cumsum(areas[cells])
        half = int(np.clip(np.searchsorted(filled, filled[-1] / 2), 1, len(cells) - 1))
        part = filled[half - 1] / filled[-1]
        if wide:
            middle = x0 + (x1 - x0) * part
            parts += [(cells[:half], (x0, middle, y0, y1)), (cells[half:], (middle, x1, y0, y1))]
        else:
            middle = y0 + (y1 - y0) * part
            parts += [(cells[:half], (x0, x1, y0, middle)), (cells[half:], (x0, x1, middle, y1))]
    return spread_x, spread_y
