"""The boards that the chip is built for: part, pins, configuration and clock of each."""

from dataclasses import dataclass, replace

from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.icepi_zero import IcepiZero1_3Platform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.tang_primer_20k import TangPrimer20kDockPlatform
from amaranth_boards.ulx3s import ULX3S_25F_Platform, ULX3S_85F_Platform
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.errors import UserError

from .stages import Part
from .tang_nano_20k import TangNano20kPlatform

__all__ = ["BOARDS", "Board", "BoardError", "load_board"]


class BoardError(UserError):
    """A board that is not known, or that cannot hold what is asked for."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board.

    Members
    -------
    name : str
    title : str
        What it is, for people.
    platform : type
        Its pins and oscillator: an Amaranth platform with resources ``uart`` and perhaps ``led``.
    part : Part
        Its FPGA.
    config : Config
        The chip by default: a preset with memories that fit.
    freq : float, MHz
        Core clock by default.
    loader : str
        The name by which openFPGALoader knows it.
    router_options : tuple of str
        More options of its nextpnr.
    seed : int
        Of the placement by default.
    """
    name: str
    title: str
    platform: type
    part: Part
    config: Config
    freq: float
    loader: str
    router_options: tuple = ()
    seed: int = 1


def _sized(preset, name, **sizes):
    return replace(PRESETS[preset], name=name, **sizes)


def _ecp5(size, package, synthesis="", floor=""):
    return Part("ecp5", (f"--{size}", "--package", package, "--speed", "6"), synthesis, floor=floor)


def _gowin(device, family, synthesis, *packing):
    return Part("gowin", ("--device", device, "--vopt", f"family={family}"), f"-family {synthesis}", family, packing)


# Block memories on an ECP5: 18 kbit, 2048 x 9 or 512 x 36. The weight memory takes a block for each column and 2048
# rows, the unified buffer two for each bank and 2048 rows, the accumulators two a column and 512 rows.

# 28 DSPs: four a column for five of the eight columns, four for the products of activations that these have too much,
# two for each of the two lanes. The vector unit alone would take 13,500 of 24,288 LUTs.
_NANO_25F = _sized("nano", "ulx3s-25f", unified_buffer_bytes=16384, weight_memory_rows=4096, instruction_depth=512,
                   queue_depth=4, tag_depth=16, multiplier="winograd", adder_columns=3, requantise_dsps=2,
                   vector_taps=0)

# The chip that is not compact takes 92% of the flip-flops, of which distributed RAM blocks more, and is not placed.
_NANO_GW2A = _sized("pico", "tang-nano-20k", rows=8, cols=8, weight_memory_rows=3072, unified_buffer_bytes=16384,
                    instruction_depth=512, packet_bytes=512, requantise_bits=32, multiplier="dsp")

# docs/decisions/0012 has the budget. What is to be a DSP says so; yosys would take them for other products as well.
_EDGE_85F = _sized("edge", "ulx3s-85f", weight_path_rows=1, weight_memory_rows=12288, multiplier="winograd",
                   requantise_lanes=4, vector_requantise_lanes=4, vector_multiplier="adders", vector_requantise_dsps=2,
                   vector_kernel_rows=4, queue_depth=16, tag_depth=32)

#: All boards by name.
BOARDS = {board.name: board for board in (
    Board(name="ulx3s-85f", title="Radiona ULX3S with an ECP5-85F", platform=ULX3S_85F_Platform,
          part=_ecp5("85k", "CABGA381", "-nodsp", floor="85k"), freq=110, loader="ulx3s", config=_EDGE_85F,
          # A lower density leaves room for wires where the weight for timing crowds cells.
          router_options=("--router", "router2", "--tmg-ripup", "--placer-heap-timingweight", "30",
                          "--placer-heap-beta", "0.8"), seed=3),
    Board(name="ulx3s-25f", title="Radiona ULX3S with an ECP5-25F", platform=ULX3S_25F_Platform,
          part=_ecp5("25k", "CABGA381", "-nodsp"), freq=120, loader="ulx3s", config=_NANO_25F),
    Board(name="icepi-zero", title="Icepi Zero with an ECP5-25F", platform=IcepiZero1_3Platform,
          part=_ecp5("25k", "CABGA256", "-nodsp"), freq=120, loader="icepi-zero",
          # With the first seed cells find no place.
          config=replace(_NANO_25F, name="icepi-zero"), seed=2),
    Board(name="icebreaker", title="1BitSquared iCEBreaker with an iCE40 UP5K", platform=ICEBreakerPlatform,
          part=Part("ice40", ("--up5k", "--package", "sg48")), freq=24, loader="ice40_generic",
          config=_sized("pico", "icebreaker", multiplier="dsp")),
    Board(name="tang-nano-20k", title="Sipeed Tang Nano 20K with a GW2AR-18", platform=TangNano20kPlatform,
          part=_gowin("GW2AR-LV18QN88C8/I7", "GW2A-18C", "gw2a"), freq=94.5, loader="tangnano20k",
          # With this seed it reached 107.5 MHz.
          config=_NANO_GW2A, seed=2),
    Board(name="tang-primer-20k", title="Sipeed Tang Primer 20K on its Dock, with a GW2A-18",
          # Its first two LEDs are at the pins that tell of the configuration.
          platform=TangPrimer20kDockPlatform,
          part=_gowin("GW2A-LV18PG256C8/I7", "GW2A-18C", "gw2a", "--ready_as_gpio", "--done_as_gpio"), freq=94.5,
          loader="tangprimer20k", config=replace(_NANO_GW2A, name="tang-primer-20k")),
    Board(name="tang-nano-9k", title="Sipeed Tang Nano 9K with a GW1NR-9", platform=TangNano9kPlatform,
          part=_gowin("GW1NR-LV9QN88PC6/I5", "GW1N-9C", "gw1n"), freq=51, loader="tangnano9k",
          config=_sized("pico", "tang-nano-9k", weight_memory_rows=2048, unified_buffer_bytes=8192,
                        instruction_depth=512, requantise_bits=4, multiplier="dsp")),
)}


def load_board(name):
    """The board of that name.

    Errors
    ------
    BoardError
        If there is none.
    """
    if name not in BOARDS:
        raise BoardError(f"{name!r} is no board; there are {', '.join(BOARDS)}")
    return BOARDS[name]
