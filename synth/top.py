"""What goes onto a board: the chip, its UART, and its clock."""

from dataclasses import dataclass

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.io import Buffer
from amaranth.lib.wiring import connect
from systolith.rtl.stream_register import StreamRegister
from systolith.rtl.top import Tpu
from systolith.rtl.uart import DEFAULT_BAUD, Uart
from systolith.rtl.verilog import convert

from .boards import BoardError
from .cells import CELLS
from .pll import PLLS
from .stages import FAMILIES

__all__ = ["CHIP", "TOP", "BoardTop", "Design", "constraints", "prepare"]

#: Name of the chip's module, and of the top module.
CHIP, TOP = "systolith", "top"


class BoardTop(Elaboratable):
    """The chip on a board: oscillator, PLL, chip, UART; the first LED lights when the clock is stable, the second one
    while the chip sends.

    Parameters
    ----------
    board : Board
    freq : float, MHz
        Core clock that is wanted. `clock` is what the PLL makes of it.
    baud : number
        Of the UART.

    Errors
    ------
    ConfigError
        If the PLL cannot make the clock; by `elaborate` if that is too slow for the baud.
    """

    def __init__(self, board, freq, baud):
        self._board = board
        platform = board.platform()
        self._pll = PLLS[board.part.family](platform.default_clk_frequency / 1e6, freq)
        self.clock = self._pll.frequency
        self._baud = baud

    def elaborate(self, platform):
        Uart.check(1e6 * self.clock, self._baud)
        uart = Uart(1e6 * self.clock, self._baud)
        m = Module()
        oscillator = platform.request(platform.default_clk, dir="-")
        if self._board.part.family == "ice40":
            source = oscillator.io  # the PLL is in the pad itself
        else:
            m.submodules.oscillator = buffer = Buffer("i", oscillator)
            source = buffer.i
        locked = Signal()
        if self._board.part.family == "ecp5":
            # The clock starts when it is stable, with all registers as the bitstream sets them: a reset beside that
            # would be a long wire, and a gate in front of each unit's own.
            m.domains.sync = ClockDomain(reset_less=True)
            raw = Signal()
            m.submodules.pll = self._pll.instance(source, raw, locked)
            m.submodules.gate = Instance("DCCA", i_CLKI=raw, i_CE=locked, o_CLKO=ClockSignal())
            stable, reset = locked, Const(0, 1)
        else:
            m.domains.sync = ClockDomain()
            m.submodules.pll = self._pll.instance(source, ClockSignal(), locked)
            m.submodules.reset = ResetSynchronizer(~locked)
            stable, reset = ~ResetSignal(), ResetSignal()

        m.submodules.uart = uart
        pins = platform.request("uart", dir="-")
        m.submodules.rx = rx = Buffer("i", pins.rx)
        m.submodules.tx = tx = Buffer("o", pins.tx)
        m.d.comb += [uart.rx_pin.eq(rx.i), tx.o.eq(uart.tx_pin)]
        for number, lit in enumerate((stable, ~uart.tx_pin)):
            m.submodules[f"led{number}"] = led = Buffer("o", platform.request("led", number, dir="-"))
            m.d.comb += led.o.eq(lit)

        # The UART is at its pins, the chip anywhere: registers between, but in small chips.
        rx, tx = uart.rx, uart.tx
        if self._board.part.floor:
            # Two on the way out: one that is as near as the chip needs its answer, and one for the way.
            m.submodules.rx_register, m.submodules.tx_register, m.submodules.tx_way = registers = [
                StreamRegister(8) for _ in range(3)]
            rx, tx = registers[0].kept, registers[1].arriving
            connect(m, uart.rx, registers[0].arriving)
            connect(m, registers[1].kept, registers[2].arriving)
            connect(m, registers[2].kept, uart.tx)
        m.submodules.chip = Instance(
            CHIP, i_clk=ClockSignal(), i_rst=reset,
            i_rx__valid=rx.valid, i_rx__payload=rx.payload, o_rx__ready=rx.ready,
            o_tx__valid=tx.valid, o_tx__payload=tx.payload, i_tx__ready=tx.ready)
        return m


@dataclass(frozen=True)
class Design:
    """All that the tools need for one board.

    Members
    -------
    chip : str
        Verilog of the chip, module `CHIP`, with the family's cells.
    top : str
        RTLIL of the rest, module `TOP`.
    constraints : str
        Pins and oscillator, in the form that the family's router reads.
    clock : float, MHz
        Core clock.
    """
    chip: str
    top: str
    constraints: str
    clock: float


def prepare(board, config, freq, baud):
    """The design of a board.

    Parameters
    ----------
    board : Board
    config : Config
        Of the chip, with the weight memory on chip.
    freq, baud
        As for `BoardTop`.

    Errors
    ------
    BoardError
        If the configuration wants a memory beside the chip.
    ConfigError
        As `BoardTop`.
    """
    if config.weight_memory != "sram":
        raise BoardError(f"configuration {config.name} does not go onto a board: its weight memory is not on the chip")
    top = BoardTop(board, freq, baud)
    files = _files(board, top)
    chip = convert(Tpu(config), CHIP, cells=CELLS[board.part.family])
    return Design(chip, files[f"{TOP}.il"], _constraints(board, files), top.clock)


def constraints(board):
    """The text of ``constraints/BOARD.*``: what `prepare` gives, which depends on nothing but the board."""
    return _constraints(board, _files(board, BoardTop(board, board.freq, DEFAULT_BAUD)))


def _files(board, top):
    return board.platform().prepare(top, TOP, emit_src=False).files


def _constraints(board, files):
    suffix = FAMILIES[board.part.family].suffix
    comment = "//" if suffix == "cst" else "#"
    lines = [line for line in files[f"{TOP}.{suffix}"].splitlines() if line and not line.startswith(comment)]
    return "\n".join((f"{comment} {board.title}: made by constraints/make_constraints.py from Amaranth's platform.",
                      *lines, ""))
