"""Functional coverage of programs: which instructions, operands and cases they hold, and which they should."""

from collections import Counter

from systolith.rtl.encoding import decode
from systolith.rtl.isa import CONFIG, INSTRUCTION_BYTES, SINK, TABLE, Destination, Function, Opcode, Unit

__all__ = ["goals", "points"]


def points(config, instructions):
    """How often each coverage point occurs.

    Parameters
    ----------
    config : Config
    instructions : bytes

    Returns
    -------
    Counter
        Its keys are tuples: a kind of point and which one.
    """
    hits = Counter()
    for at in range(0, len(instructions), INSTRUCTION_BYTES):
        row, f = decode(instructions[at:at + INSTRUCTION_BYTES])
        hits["opcode", row.opcode] += 1
        for number in (0, 1):
            if f[f"wait{number}_unit"]:
                hits[f"wait{number}", Unit(f[f"wait{number}_unit"])] += 1
        hits.update(_operands(config, row.opcode, f))
    return hits


def _operands(config, opcode, f):
    """The points of one instruction's own fields."""
    match opcode:
        case Opcode.READ_WEIGHTS:
            yield "destination", Destination(f["destination"])
            if f["destination"] in (Destination.ACTIVATION, Destination.VECTOR):
                yield Destination(f["destination"]).name.lower() + " slot", f["slot"]
        case Opcode.MATRIX_MULTIPLY:
            yield "switch", f["switch"]
            yield "accumulate", f["accumulate"]
        case Opcode.ACTIVATE:
            yield "table", f["table"]
            yield "columns", {1: "one", config.cols: "all"}.get(f["columns"], "some")
        case Opcode.VECTOR:
            yield "function", Function(f["function"])
        case Opcode.SET_CONFIGURATION:
            for number in (0, 1):
                yield Unit(f["unit"]).name.lower() + " register", f[f"index{number}"]
        case Opcode.READ_HOST_MEMORY | Opcode.WRITE_HOST_MEMORY:
            packets = -(-f["length"] // (config.packet_bytes - 4))
            yield opcode.name.lower(), ("nothing", "one packet", "several packets")[min(packets, 2)]


def goals(config):
    """The points that a campaign of random programs must reach: all that the chip has."""
    units = [unit for unit in Unit if unit is not Unit.NONE and (config.has_vector or unit is not Unit.VECTOR)]
    destinations = [d for d in Destination if config.has_vector or d is not Destination.VECTOR]
    reached = {("opcode", opcode) for opcode in TABLE if config.has_vector or opcode is not Opcode.VECTOR}
    reached |= {(f"wait{number}", unit) for unit in units for number in (0, 1)}
    reached |= {("destination", destination) for destination in destinations}
    reached |= {("function", function) for function in Function if config.has_vector}
    reached |= {(destination.name.lower() + " slot", slot) for slot in range(config.parameter_slots)
                for destination in destinations if destination in (Destination.ACTIVATION, Destination.VECTOR)}
    reached |= {(name, value) for name in ("switch", "accumulate", "table") for value in (0, 1)}
    reached |= {("columns", which) for which in ("one", "some", "all")}
    reached |= {(unit.name.lower() + " register", index) for unit in CONFIG if unit in units
                for index in (*range(len(CONFIG[unit])), SINK)}
    reached |= {(f"{direction}_host_memory", which) for direction in ("read", "write")
                for which in ("nothing", "one packet", "several packets")}
    return reached
