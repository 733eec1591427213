"""Writes docs/isa.md from the instruction table: `python docs/make_isa.py`."""

from pathlib import Path

from systolith.rtl.isa import CONFIG, FIELDS_HEAD, TABLE, Destination, Fault, Function, Unit


def text():
    """The page."""
    lines = ["# Instruction set", "",
             "Made from `rtl/isa.py` by `docs/make_isa.py`. 128 bits an instruction, little endian; bit 0 first.",
             "What the instructions do is in [architecture.md](architecture.md).", "",
             "## Head of every instruction", "", *_fields(FIELDS_HEAD, 0)]
    start = sum(f.width for f in FIELDS_HEAD)
    for row in TABLE.values():
        unit = "the unit it names" if row.unit is None else row.unit.name.lower() if row.unit else "sequencer"
        lines += ["", f"## {row.name} (opcode {int(row.opcode)}; {unit}{'; counts as work' if row.work else ''})", "",
                  row.doc]
        if row.fields:
            lines += ["", *_fields(row.fields, start)]
    lines += ["", "## Configuration registers", "", "Written by Set_Configuration; 0 at Run. Register 31 is a sink."]
    for unit, registers in CONFIG.items():
        lines += ["", f"### {unit.name.lower()} (unit {int(unit)})", "", "| index | name | bits | meaning |",
                  "|---|---|---|---|"]
        lines += [f"| {r.index} | {r.name} | {r.width}{' signed' if r.signed else ''} | {r.doc} |" for r in registers]
    for title, numbers in (("Units", Unit), ("Destinations of Read_Weights", Destination),
                           ("Functions of Vector", Function), ("Faults", Fault)):
        lines += ["", f"## {title}", "", ", ".join(f"{int(n)} {n.name.lower()}" for n in numbers) + "."]
    return "\n".join(lines) + "\n"


def _fields(fields, start):
    lines = ["| bits | field | meaning |", "|---|---|---|"]
    for f in fields:
        lines.append(f"| {start}..{start + f.width - 1} | {f.name} | {f.doc} |")
        start += f.width
    return lines


if __name__ == "__main__":
    (Path(__file__).parent / "isa.md").write_text(text())
