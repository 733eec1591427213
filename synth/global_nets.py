"""Clock enables and resets of many flip-flops on the FPGA's global network, whose wires are fast however long."""

from collections import Counter

from .netlist import fresh_net

__all__ = ["promote"]

_PORTS = ("CE", "LSR")


def promote(module, most, least=200, sites=()):
    """Puts the control nets of the most flip-flops behind a global buffer (DCCA of ECP5).

    nextpnr 0.11 does this for clocks only; what is behind a buffer in the netlist it routes as a clock. Such a net no
    longer counts for the placement either. Only nets that a flip-flop drives: the way to the buffer takes most of a
    cycle.

    Parameters
    ----------
    module : dict
        The flattened top module of yosys' JSON; is changed.
    most : int
        How many nets at most. nextpnr routes eight global nets that come from the fabric, the clock one of them, and
        then forgets about the others.
    least : int
        How many flip-flops at least.
    sites : sequence of str
        Where the buffers are placed, in this order; nextpnr would put all at the left edge.

    Returns
    -------
    dict
        By name of each buffer the number of its flip-flops.
    """
    cells = module["cells"]
    ports = [(cell["connections"], port) for cell in cells.values() if cell["type"] == "TRELLIS_FF"
             for port in _PORTS if isinstance(cell["connections"].get(port, [""])[0], int)]
    registers = {net for cell in cells.values() if cell["type"] == "TRELLIS_FF" for net in cell["connections"]["Q"]}
    sinks = Counter(net for connections, port in ports if (net := connections[port][0]) in registers)
    fresh = fresh_net(module)
    promoted = {net: fresh + i for i, (net, count) in enumerate(sinks.most_common(most)) if count >= least}
    for connections, port in ports:
        net = connections[port][0]
        connections[port] = [promoted.get(net, net)]
    buffers = {}
    for number, (net, behind) in enumerate(promoted.items()):
        name = f"global_net{number}"
        place = {"BEL": sites[number]} if number < len(sites) else {}
        cells[name] = {"hide_name": 0, "type": "DCCA", "parameters": {}, "attributes": place,
                       "port_directions": {"CLKI": "input", "CE": "input", "CLKO": "output"},
                       "connections": {"CLKI": [net], "CE": ["1"], "CLKO": [behind]}}
        module["netnames"][name] = {"hide_name": 0, "bits": [behind], "attributes": {}}
        buffers[name] = sinks[net]
    return buffers
