"""Verilog of a memory, as text of its own.

Amaranth writes the initial value of every bit of a memory, which for megabytes takes minutes and keeps tools from
memories that have none.
"""

from amaranth.hdl import Shape

__all__ = ["memory_module"]


def memory_module(memory, prefix):
    """Verilog module that behaves as an Amaranth memory with one write port.

    Ports: `clk`; `write_en`, `write_addr`, `write_data`; for read port n `readn_addr`, `readn_data` and, unless it is
    combinational, `readn_en`. Addresses are at least one bit wide. A read finds what was there before a write of the
    same cycle. With the attribute `single_port`, it reads at the write port's address whenever nothing is written, the
    form in which yosys recognises single-port RAM. In simulation the memory starts at zero, as Amaranth's does; for
    synthesis nothing is said, so that it fits memories which start with anything.

    Parameters
    ----------
    memory : amaranth.lib.memory.Memory
    prefix : str
        Start of the module's name, which goes on with what the module is: equal names mean equal modules.

    Returns
    -------
    name, text : str

    Errors
    ------
    ValueError
        For what the module cannot do: initial values, transparent ports, other than one write port.
    """
    if any(memory.init) or len(memory.write_ports) != 1 or any(port.transparent_for for port in memory.read_ports):
        raise ValueError("a memory in Verilog must have one write port, no initial values and no transparent read port")
    width, (write,) = Shape.cast(memory.shape).width, memory.write_ports
    address = f"[{max(1, len(write.addr)) - 1}:0]"
    single_port = "single_port" in memory.attrs
    lanes, lane = len(write.en), width // len(write.en)
    row = f"[{width - 1}:0]"
    ports = ["input clk", f"input {address} write_addr", f"input [{lanes - 1}:0] write_en", f"input {row} write_data"]
    body = []
    for n, port in enumerate(memory.read_ports):
        ports += [f"input {address} read{n}_addr"]
        if port.domain == "comb":
            ports += [f"output {row} read{n}_data"]
            body += [f"  assign read{n}_data = cells[read{n}_addr];"]
        else:
            ports += [f"input read{n}_en", f"output reg {row} read{n}_data"]
            en, at = ("write_en == 0", "write_addr") if single_port else (f"read{n}_en", f"read{n}_addr")
            body += [f"  always @(posedge clk) if ({en}) read{n}_data <= cells[{at}];"]
    for i in range(lanes):
        bits = f"[{lane * i + lane - 1}:{lane * i}]" if lanes > 1 else ""
        body += [f"  always @(posedge clk) if (write_en[{i}]) cells[write_addr]{bits} <= write_data{bits};"]
    attributes = "".join(f"(* {attribute} = {value} *) " for attribute, value in memory.attrs.items())
    reads = "".join("c" if port.domain == "comb" else "s" for port in memory.read_ports)
    name = "_".join((prefix, f"{memory.depth}x{width}", f"w{lanes}", reads, *memory.attrs))
    return name, "\n".join([
        f"module {name}({', '.join(ports)});",
        f"  {attributes}reg {row} cells [0:{memory.depth - 1}];",
        "`ifndef SYNTHESIS",
        "  integer i;",
        f"  initial for (i = 0; i < {memory.depth}; i = i + 1) cells[i] = 0;",
        "`endif",
        *body,
        "endmodule",
        "",
    ])
