"""Copies of registers whose receivers lie far apart, one for each neighbourhood of them.

yosys makes one register of all that are equal, however far apart those need it. A copy costs a flip-flop and saves the
way from one end of the chip to the other in the cycle in which something is made of the value; the way to the copies is
in the cycle before.
"""

from collections import defaultdict
from copy import deepcopy

__all__ = ["replicate", "to_buffers"]

#: What a register gets its clock by.
_CLOCKS = ("CLK", "WCK")


def replicate(module, places, reach=40, most=4):
    """Divides the receivers of registers among copies.

    Only registers with at most a LUT before them: others have no time left for the way to copies.

    Parameters
    ----------
    module : dict
        The flattened top module of yosys' JSON for ECP5; is changed.
    places : dict
        Cell to the (x, y) where it will be, roughly.
    reach : int
        Half the perimeter of the box, in tiles, within which receivers share a register.
    most : int
        Registers at most that one becomes.

    Returns
    -------
    int
        How many flip-flops there are more.
    """
    cells = module["cells"]
    receivers, drivers = _connections(cells)
    fresh = _fresh(module)
    before = len(cells)
    for name, cell in list(cells.items()):
        if cell["type"] != "TRELLIS_FF" or not _settled(cell, cells, drivers):
            continue
        net, = cell["connections"]["Q"]
        pins = [(places[receiver], receiver, port, index) for receiver, port, index in receivers[net]
                if receiver in places]
        for group in _neighbourhoods(pins, reach, most)[1:]:
            _copy(module, name, fresh)
            for _, receiver, port, index in group:
                cells[receiver]["connections"][port][index] = fresh
            fresh += 1
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
    fresh = _fresh(module)
    before = len(cells)
    for buffer in [cell for cell in cells.values() if cell["type"] == "DCCA"]:
        register = drivers.get(buffer["connections"]["CLKI"][0])
        if register and cells[register]["type"] == "TRELLIS_FF" and _settled(cells[register], cells, drivers):
            _copy(module, register, fresh)["attributes"]["BEL"] = next(sites)
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

    return all(early(bit, 1) for port, bits in register["connections"].items() if port not in ("Q", *_CLOCKS)
               for bit in bits)


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
                elif not port.startswith(_CLOCKS):
                    receivers[bit].append((name, port, index))
    return receivers, drivers


def _fresh(module):
    """A net that there is not yet; nor are those of larger numbers."""
    return 1 + max((bit for net in module["netnames"].values() for bit in net["bits"] if isinstance(bit, int)),
                   default=0)


def _copy(module, name, net):
    """Adds a flip-flop like another one that drives a net of its own; returns it."""
    cell = deepcopy(module["cells"][name])
    cell["connections"]["Q"] = [net]
    copy = f"{name}_copy{net}"
    module["cells"][copy] = cell
    module["netnames"][copy] = {"hide_name": 0, "bits": [net], "attributes": {}}
    return cell


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


def _extents(pins):
    if not pins:
        return 0, 0
    return tuple(max(axis) - min(axis) for axis in zip(*(pin[0] for pin in pins)))
