"""Each board has its pins, its clock and a chip; the files in constraints/ say the same."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from systolith.rtl.config import PRESETS, ConfigError
from systolith.rtl.uart import DEFAULT_BAUD
from systolith.synth.boards import BOARDS, BoardError, load_board
from systolith.synth.pll import PLLS
from systolith.synth.top import prepare

FOLDER = Path(__file__).resolve().parents[1] / "constraints"


def test_the_constraint_files_are_up_to_date():
    files = runpy.run_path(str(FOLDER / "make_constraints.py"))["files"]()
    assert {name: (FOLDER / name).read_text() for name in files} == files, "run python constraints/make_constraints.py"
    assert sorted(files) == sorted(path.name for path in FOLDER.iterdir() if path.suffix not in (".py", ""))


# As the boards' own schematics and examples have them.
@pytest.mark.parametrize("board, clock, rx, tx", [
    ("ulx3s-85f", "G2", "M1", "L4"), ("ulx3s-25f", "G2", "M1", "L4"), ("icebreaker", "35", "6", "9"),
    ("tang-nano-20k", "4", "70", "69"), ("tang-nano-9k", "52", "18", "17"), ("tang-primer-20k", "H11", "T13", "M11"),
    ("icepi-zero", "M1", "K16", "K15")])
def test_the_pins_of_clock_and_uart(board, clock, rx, tx):
    (path,) = FOLDER.glob(f"{board}.*")
    words = [line.replace('"', " ").replace(";", " ").split() for line in path.read_text().splitlines()]
    for name, pin in (("clk", clock), ("uart_0__rx", rx), ("uart_0__tx", tx)):
        assert any(pin in line and any(word.startswith(name) for word in line) for line in words), (name, pin)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_default_clock_carries_the_default_baud(board):
    clock = PLLS[board.part.family](board.platform().default_clk_frequency / 1e6, board.freq).frequency
    assert 0.98 * board.freq <= clock <= board.freq and 1e6 * clock / 4 >= DEFAULT_BAUD


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_configuration_says_whose_it_is(board):
    assert board.config.name == board.name and BOARDS[board.name] is board


def test_the_design_has_the_chip_in_it():
    board = load_board("icebreaker")
    config = replace(PRESETS["pico"], rows=2)
    design = prepare(board, config, 24, 1_000_000)
    assert "module systolith(" in design.chip and "cell \\systolith \\chip" in design.top
    assert "SB_PLL40_PAD" in design.top and "set_io uart_0__rx__io 6" in design.constraints and design.clock == 24


def test_an_unknown_board_is_refused():
    with pytest.raises(BoardError, match="'ulx4s' is no board; there are ulx3s-85f, "):
        load_board("ulx4s")


def test_what_no_board_can_hold_is_refused():
    board = load_board("ulx3s-85f")
    with pytest.raises(BoardError, match="configuration v1 does not go onto a board"):
        prepare(board, PRESETS["v1"], 50, 1_000_000)
    with pytest.raises(ConfigError, match="baud must be"):
        prepare(board, PRESETS["pico"], 25, 10_000_000)


def test_ecp5_boards_have_the_dsps_that_their_chips_ask_for():
    available = {"--85k": 156, "--25k": 28}
    for board in (board for board in BOARDS.values() if board.part.family == "ecp5"):
        config = board.config
        assert config.multiplier == "winograd" and (not config.has_vector or config.vector_multiplier == "adders")
        pairs = config.rows // 2
        # A product a pair of rows and column, and one for what each pair has too much; then the lanes' products.
        cells = pairs * (config.cols - config.adder_columns) + pairs
        lanes = config.requantise_lanes * config.requantise_dsps
        assert cells + lanes <= available[board.part.options[0]], board.name
