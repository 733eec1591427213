"""Configurations by name, those of the boards included."""

from systolith.rtl import config as rtl_config
from systolith.rtl.config import PRESETS

__all__ = ["known_configs", "load_config"]


def load_config(name):
    """The configuration of that name: a preset, what is built for a board, or a .toml file.

    Errors
    ------
    ConfigError
        If it is none of them, cannot be read, or holds a value out of range.
    """
    if str(name) in PRESETS or str(name).endswith(".toml"):
        return rtl_config.load_config(name)
    return _boards().get(name) or rtl_config.load_config(name)


def known_configs():
    """All configurations that have names, by which a chip on a board is recognised."""
    return [*PRESETS.values(), *_boards().values()]


def _boards():
    # Takes a third of a second, which most commands need not spend.
    from systolith.synth.boards import BOARDS

    return {name: board.config for name, board in BOARDS.items()}
