"""The floor plan: which block of the FPGA each memory and multiplier takes, decided before nextpnr places the rest.

Where nearly all blocks of a part are in use, nextpnr 0.11 moves them from where the wires would have them to free ones
late and one by one, which makes wires half as long again (docs/decisions/0015). Here blocks and logic are placed
together, roughly, and each kind of block is dealt out as an assignment problem in every round.

Source of the method: M.-C. Kim, D.-J. Lee, I. Markov, "SimPL: An Effective Placement Algorithm", ICCAD 2010.
"""

import os
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import linear_sum_assignment

from .hypergraph import Hypergraph, spread
from .netlist import is_clock

__all__ = ["FLOORS", "Floor", "floor_plan"]

_ROUNDS = 60
#: Beginnings at random, of which the shortest wires win: they end up to a tenth apart.
_STARTS = 4
#: How much harder in each round cells are pulled to where there is room for them, and blocks more than logic.
_PULL, _BLOCK_PULL = 0.03, 4
#: Nets of more cells say little about where these should be.
_LARGEST_NET = 400
#: Places of logic that a cell takes; two LUTs and two flip-flops are a slice.
_AREAS = {"LUT4": 1, "TRELLIS_FF": 0.8, "CCU2C": 2, "TRELLIS_DPR16X4": 6}


@dataclass(frozen=True)
class Floor:
    """The blocks of a part.

    Members
    -------
    width, height : int
        In tiles.
    sites : dict
        By kind of cell: the name of each block to its tile's (x, y).
    global_buffers : tuple of str
        Names of the global buffers in the middle of the upper edge, of which nextpnr takes the last for clocks.
    by_buffers : tuple of str
        Flip-flops close to them.
    """
    width: int
    height: int
    sites: dict
    global_buffers: tuple = ()
    by_buffers: tuple = ()


def _rows(groups, rows, blocks):
    """Blocks of a part: in each of the rows, those of a group at offsets from each group's x."""
    return {f"X{group + offset}/Y{row}/{name}": (group + offset, row)
            for row in rows for group in groups for name, offset in blocks.items()}


def _ecp5(width, height, groups, memory_rows, multiplier_rows, middle):
    return Floor(width, height, {
        "DP16KD": _rows(groups, memory_rows, {f"EBR{i}": 2 * i for i in range(4)}),
        "MULT18X18D": _rows(groups, multiplier_rows, {f"MULT18_{i}": i for i in (0, 1, 4, 5)}),
    }, tuple(f"X{middle}/Y0/TDCC{i}" for i in reversed(range(12))),
        tuple(f"X{middle}/Y2/SLICE{name}.FF{i}" for name in "ABCD" for i in (0, 1)))


#: By the size of nextpnr's device; measured from its database by `ctx.getBels()`.
FLOORS = {
    "25k": _ecp5(72, 50, (4, 13, 22, 33, 42, 51, 60), (25, 37), (13,), 31),
    "85k": _ecp5(126, 95, (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114), (22, 46, 70, 82), (10, 34, 58),
                 67),
}


def floor_plan(module, floor, progress=None):
    """Blocks for the memories and multipliers of a netlist.

    Parameters
    ----------
    module : dict
        The flattened top module of yosys' JSON.
    floor : Floor
    progress : callable (line), optional

    Returns
    -------
    blocks : dict
        Name of each cell whose kind is in `floor.sites` to the name of its block.
    places : dict
        Name of each cell to the (x, y) in tiles around which it was placed.

    Errors
    ------
    ValueError
        If there are more cells of a kind than blocks.
    """
    names, kinds = list(module["cells"]), np.array([cell["type"] for cell in module["cells"].values()])
    graph = Hypergraph(_nets(module["cells"].values()))
    blocks = {kind: np.flatnonzero(kinds == kind) for kind in floor.sites}
    sites = {kind: np.array(list(places.values()), float).reshape(-1, 2) for kind, places in floor.sites.items()}
    for kind, cells in blocks.items():
        if len(cells) > len(sites[kind]):
            raise ValueError(f"{len(cells)} {kind} do not fit the {len(sites[kind])} blocks of the part")
    is_block = np.isin(kinds, list(floor.sites))
    areas = np.array([_AREAS.get(kind, 0.1) for kind in kinds])
    array = _array_sites(names, blocks["MULT18X18D"], floor.sites["MULT18X18D"])
    place, plans = partial(_place, graph, floor, blocks, sites, is_block, areas, array), []
    with ProcessPoolExecutor(min(_STARTS, os.cpu_count() or 1)) as pool:
        for plan in pool.map(place, range(1, _STARTS + 1)):
            plans.append(plan)
            if progress is not None:
                progress(f"floor plan {len(plans)} of {_STARTS}: wires {plan[0]:,.0f} tiles")
    _, best, at = min(plans, key=lambda plan: plan[0])
    bels = {kind: list(places) for kind, places in floor.sites.items()}
    return ({names[cell]: bels[kind][site] for kind, taken in best.items() for cell, site in taken.items()},
            dict(zip(names, zip(*(axis.tolist() for axis in at)))))


def _place(graph, floor, blocks, sites, is_block, areas, held, start):
    """Length of the wires, by kind the sites of all blocks, and x and y of all cells, from one random beginning."""
    logic = np.flatnonzero(~is_block)
    random = np.random.default_rng(start)
    at = [size * random.uniform(0.4, 0.6, len(is_block)) for size in (floor.width, floor.height)]
    room = [axis.copy() for axis in at]
    pull = np.zeros(len(is_block))
    fixed = np.array(list(held), int)
    pull[fixed] = 10
    for axis in (0, 1):
        room[axis][fixed] = at[axis][fixed] = sites["MULT18X18D"][np.array(list(held.values()), int), axis]
    best = None
    for turn in range(_ROUNDS):
        for _ in range(6 if turn == 0 else 1):
            at = [graph.solve(positions, anchors, pull) for positions, anchors in zip(at, room)]
            for axis in (0, 1):
                at[axis][fixed] = room[axis][fixed]
        room = [axis.copy() for axis in at]
        room[0][logic], room[1][logic] = spread(at[0][logic], at[1][logic], areas[logic],
                                                (1, floor.width - 1, 1, floor.height - 1))
        # The structure of the array holds until the rest has found its place around it.
        late = turn >= _ROUNDS // 2
        if late:
            held, fixed = {}, fixed[:0]
        taken = _assign(graph, at, blocks, sites, held, late)
        for kind, assignment in taken.items():
            cells, chosen = list(assignment), list(assignment.values())
            for axis in (0, 1):
                room[axis][cells] = sites[kind][chosen][:, axis]
        pull = np.where(is_block, _BLOCK_PULL, 1) * _PULL * (turn + 1)
        pull[fixed] = 10
        length = sum(graph.length(axis) for axis in room)
        if best is None or length < best[0]:
            best = length, taken, room
    return best


def _nets(cells):
    """Nets as arrays of cells, without clocks and constants."""
    nets = {}
    for number, cell in enumerate(cells):
        for port, bits in cell["connections"].items():
            if is_clock(port):
                continue
            for bit in bits:
                if isinstance(bit, int):
                    nets.setdefault(bit, set()).add(number)
    return [np.array(sorted(net)) for net in nets.values() if 2 <= len(net) <= _LARGEST_NET]


def _array_sites(names, multipliers, sites):
    """Multipliers of the systolic array to numbers of sites that keep its shape: columns side by side, the cells of
    each one below the other, several to a row of sites. Empty if the array is too large for that.
    """
    rows = {}
    for number, (x, y) in enumerate(sites.values()):
        rows.setdefault(y, []).append((x, number))
    rows = [[number for _, number in sorted(rows[y])] for y in sorted(rows)]
    columns = {}
    for cell in multipliers:
        # A band of columns is two of half the width: near is west, see `systolith.rtl.array.ArrayBand`.
        if found := re.search(r"(?:^|\.)cells\.((?:near\.|far\.)*)column\.cell(\d+)\.", names[cell]):
            path = found[1].replace("near", "0").replace("far", "1")
            columns.setdefault(path, {})[int(found[2])] = int(cell)
    if not columns:
        return {}
    high = -(-max(len(column) for column in columns.values()) // len(rows))
    if high * len(columns) > min(map(len, rows)):
        return {}
    return {column[row]: rows[i // high][number * len(rows[i // high]) // len(columns) + i % high]
            for number, path in enumerate(sorted(columns)) for column in (columns[path],)
            for i, row in enumerate(sorted(column))}


def _assign(graph, at, blocks, sites, held, late):
    """Gives each cell of each kind a site: near to where it is, later also where its wires are short."""
    taken = {}
    for kind, cells in blocks.items():
        free = np.setdiff1d(np.arange(len(sites[kind])), list(held.values()) if kind == "MULT18X18D" else [])
        cells = np.array([cell for cell in cells if cell not in held], int)
        places = sites[kind][free]
        costs = sum(abs(at[axis][cells][:, None] - places[:, axis]) for axis in (0, 1))
        if late:
            costs = costs + sum(graph.growth(at[axis], cells, values)[:, index] for axis in (0, 1)
                                for values, index in (np.unique(places[:, axis], return_inverse=True),))
        chosen = free[linear_sum_assignment(costs)[1]]
        taken[kind] = dict(zip(cells.tolist(), chosen.tolist()))
        if kind == "MULT18X18D":
            taken[kind] |= held
    return taken
