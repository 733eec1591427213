"""Netlists of yosys' JSON, as `global_nets`, `floorplan` and `replicate` see them."""

from collections import defaultdict

__all__ = ["connections", "fresh_net", "is_clock", "is_settled"]


def fresh_net(module):
    """The number of a net that a module does not have; nor has it larger ones."""
    return 1 + max((bit for net in module["netnames"].values() for bit in net["bits"] if isinstance(bit, int)),
                   default=0)


def is_clock(port):
    """Whether a port of an ECP5 cell is a clock."""
    return "CLK" in port or port == "WCK"


def connections(cells):
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


def is_settled(register, cells, drivers):
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
