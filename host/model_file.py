"""Reads a model's file, of whatever format."""

from pathlib import Path

from .graph import ModelError

__all__ = ["read_model"]


def read_model(path):
    """The bytes of a file.

    Errors
    ------
    ModelError
        If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"model {path} cannot be read: {error.strerror}") from None
