"""Writes constraints/BOARD.lpf, .pcf or .cst for each board: `python constraints/make_constraints.py`."""

from pathlib import Path

from systolith.synth.boards import BOARDS
from systolith.synth.stages import FAMILIES
from systolith.synth.top import constraints


def files():
    """Text of each file by its name."""
    return {f"{board.name}.{FAMILIES[board.part.family].suffix}": constraints(board) for board in BOARDS.values()}


if __name__ == "__main__":
    for name, text in files().items():
        (Path(__file__).parent / name).write_text(text)
