"""Copies of registers and gates whose receivers lie far apart, one for each neighbourhood of them.

yosys makes one register of all that are equal, however far apart those need it. A copy costs a flip-flop and saves the
way from one end of the chip to the other in the cycle in which something is made of the value; the way to the copies is
in the cycle before. A copy of a gate saves those of its receivers that are close to its inputs the way to the middle of
all.
"""

from collections import defaultdict
from copy import deepcopy

from .netlist import fresh_net, is_clock

__all__ = ["replicate", "to_buffers"]

#: The second copies what feeds the copies of the first.
_ROUNDS = 2
#: Receivers of a gate that are worth a copy of it.
_GATE_RECEIVERS = 8
_OUTPUTS = {"TRELLIS_FF": "Q", "LUT4": "Z"}


def replicate(module, places, reach=40, most=4):
    """Divides the receivers of registers, and of LUTs with many of them, among copies.

    Only registers with at most a LUT before them: others have no time left for the way to copies. What feeds copies may
    be copied for that, hence the rounds.

    Parameters
    ----------
    module : dict
        The flattened top module of yosys' JSON for ECP5; is changed.
    places : dict
        Cell to the (x, y) where it will be, roughly.
    reach : int
        Half the perimeter of the box, in tiles, within which receivers share a source.
    most : int
        Sources at most that one becomes in a round.

    Returns
    -------
    int
        How many cells there are more.
    """
    cells, places = module["cells"], dict(places)
    fresh, before, done = fresh_net(module), len(cells), set()
    for _ in range(_ROUNDS):
        receivers, drivers = _connections(cells)
        for name, cell in list(cells.items()):
            if name in done or cell["type"] not in _OUTPUTS:
                continue
            net, = cell["connections"][_OUTPUTS[cell["type"]]]
            if (len(receivers[net]) < _GATE_RECEIVERS if cell["type"] == "LUT4"
                    else not _settled(cell, cells, drivers)):
                continue
            pins = [(places[receiver], receiver, port, index) for receiver, port, index in receivers[net]
                    if receiver in places]
            first, *others = _neighbourhoods(pins, reach, most)
            if not others:
                continue
            sources = [name]
            for group in others:
                sources.append(_copy(module, name, fresh))
                for _, receiver, port, index in group:
                    cells[receiver]["connections"][port][index] = fresh
                fresh += 1
            done.update(sources)
            places |= zip(sources, map(_middle, (first, *others)))
    return len(cells) - before


def to_buffers(module, sites):
    """Gives the global buffers of control nets registers of their own beside them, as `replicate` does.

    Parameters
    ----------
    module : dict
        As of `replicate`.
    sites : sequence of str
        The flip-flops that are close to the buffers.

    Returns
    -------
    int
        How many flip-flops there are more.
    """
    cells, sites = module["cells"], iter(sites)
    _, drivers = _connections(cells)
    fresh, before = fresh_net(module), len(cells)
    for buffer in [cell for cell in cells.values() if cell["type"] == "DCCA"]:
        register = drivers.get(buffer["connections"]["CLKI"][0])
        if register and cells[register]["type"] == "TRELLIS_FF" and _settled(cells[register], cells, drivers):
            cells[_copy(module, register, fresh)]["attributes"]["BEL"] = next(sites)
            buffer["connections"]["CLKI"] = [fresh]
            fresh += 1
    return len(cells) - before


def _settled(register, cells, drivers):
    """Whether nothing but a LUT, at most, lies between other registers and the inputs of this one."""
    def early(net, luts):
        if net not in drivers:
            return True  # a constant or a pin
        driver = cells[drivers[net]]
        if driver["type"] == "LUT4" and luts:
            return all(early(bit, luts - 1) for port in "ABCD" for bit in driver["connections"].get(port, ()))
        return driver["type"] in ("TRELLIS_FF", "DCCA")

    return all(early(bit, 1) for port, bits in register["connections"].items()
               if port != "Q" and not is_clock(port) for bit in bits)


def _connections(cells):
    """By net the cells, ports and indices that receive it, clocks left out, and the cell that drives it."""
    receivers, drivers = defaultdict(list), {}
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            for index, bit in enumerate(bits):
                if not isinstance(bit, int):
                    continue
                if cell["port_directions"][port] == "output":
                    drivers[bit] = name
                elif not is_clock(port):
                    receivers[bit].append((name, port, index))
    return receivers, drivers


def _copy(module, name, net):
    """Adds a register or gate like another one that drives a net of its own; returns its name."""
    cell = deepcopy(module["cells"][name])
    cell["connections"][_OUTPUTS[cell["type"]]] = [net]
    copy = f"{name}_copy{net}"
    module["cells"][copy] = cell
    module["netnames"][copy] = {"hide_name": 0, "bits": [net], "attributes": {}}
    return copy


def _neighbourhoods(pins, reach, most):
    """Parts of pins, each begins with its (x, y): the widest is cut in the middle until all are small or enough."""
    parts = [pins]
    while len(parts) < most:
        extents = [_extents(part) for part in parts]
        widest = max(range(len(parts)), key=lambda part: sum(extents[part]))
        if sum(extents[widest]) <= reach:
            break
        axis = extents[widest].index(max(extents[widest]))
        part = parts.pop(widest)
        at = [pin[0][axis] for pin in part]
        middle = (min(at) + max(at)) / 2
        parts += [[pin for pin in part if pin[0][axis] <= middle], [pin for pin in part if pin[0][axis] > middle]]
    return parts


def _middle(pins):
    return tuple(sum(axis) / len(pins) for axis in zip(*(pin[0] for pin in pins)))


def _extents(pins):
    if not pins:
        return 0, 0
    return tuple(max(axis) - min(axis) for axis in zip(*(pin[0] for pin in pins)))
