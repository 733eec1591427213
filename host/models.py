"""Reads a model of whatever format."""

from pathlib import Path

from . import tflite
from .graph import ModelError

__all__ = ["is_onnx", "load_model"]


def is_onnx(path):
    """Whether a file is an ONNX model; the format has no magic number, so its name tells."""
    return Path(path).suffix.lower() == ".onnx"


def load_model(path):
    """The network in a .tflite or .onnx file.

    Errors
    ------
    ModelError
        If the file cannot be read, or its front end refuses it, or is not installed.
    """
    if not is_onnx(path):
        return tflite.load(path)
    try:
        from .onnx_qdq import load
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise ModelError(f"model {path} needs the package onnx: pip install 'systolith[onnx]'") from None
    return load(path)
