"""Inputs of a model from files: NumPy arrays, pictures, or seeded random values."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from systolith.rtl.errors import UserError

__all__ = ["InputError", "load_inputs", "random_inputs"]


class InputError(UserError):
    """An input file that does not fit the model; the message is one full sentence."""


def random_inputs(graph, count=1, seed=0):
    """`count` inferences of uniform random values: list of dicts from tensor number to array."""
    rng = np.random.default_rng(seed)

    def draw(tensor):
        if tensor.dtype.kind == "f":
            return rng.normal(size=tensor.shape).astype(tensor.dtype)
        info = np.iinfo(tensor.dtype)
        return rng.integers(info.min, info.max, tensor.shape, tensor.dtype, endpoint=True)

    return [{i: draw(graph.tensors[i]) for i in graph.inputs} for _ in range(count)]


def load_inputs(graph, path):
    """The inferences in a file.

    Parameters
    ----------
    graph : Graph
    path : str or Path
        .npz (array `x`, or one array for each input by the tensor's name; first axis = inference), .npy (one input), or
        a picture, which is scaled to the size of the model's input.

    Returns
    -------
    list of dicts from tensor number to array of the tensor's shape and type

    Errors
    ------
    InputError
        If the file cannot be read, or its shape or type is not the model's.
    """
    path = Path(path)
    tensors = [graph.tensors[i] for i in graph.inputs]
    if not path.is_file():
        raise InputError(f"input file {path} does not exist")
    if path.suffix == ".npz":
        arrays = _archive(path, tensors)
    elif len(tensors) > 1:
        names = ", ".join(repr(t.name) for t in tensors)
        raise InputError(f"input file {path} must be a .npz with one array for each of the model's inputs: {names}")
    elif path.suffix == ".npy":
        arrays = {tensors[0].index: _numpy(path)}
    else:
        arrays = {tensors[0].index: _picture(path, tensors[0])}
    fitted = {i: _fit(path, graph.tensors[i], array) for i, array in arrays.items()}
    counts = {len(a) for a in fitted.values()}
    if len(counts) > 1:
        raise InputError(f"the arrays in {path} hold different numbers of inferences: {sorted(counts)}")
    return [{i: a[n] for i, a in fitted.items()} for n in range(counts.pop())]


def _numpy(path):
    try:
        return np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise InputError(f"input file {path} is not a NumPy file: {error}") from None


def _archive(path, tensors):
    archive = _numpy(path)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(f"input file {path} is not a .npz archive")
    with archive:
        arrays = {}
        for tensor in tensors:
            name = "x" if len(tensors) == 1 and "x" in archive else tensor.name
            if name not in archive:
                wanted = "'x'" if len(tensors) == 1 else repr(name)
                has = ", ".join(archive.files) or "none"
                raise InputError(f"input file {path} has no array {wanted}; it has {has}")
            try:
                arrays[tensor.index] = archive[name]
            except Exception as error:  # as above
                raise InputError(f"array {name!r} in {path} cannot be read: {error}") from None
        return arrays


def _fit(path, tensor, array):
    """The array as (inferences, *tensor.shape)."""
    if array.dtype != tensor.dtype:
        raise InputError(f"input {tensor.name!r} must be {np.dtype(tensor.dtype).name}, "
                         f"but {path} holds {array.dtype.name}")
    shape, given = tensor.shape, list(array.shape)
    if array.shape == shape:
        array = array[None]
    elif array.shape[1:] != shape and shape[:1] == (1,) and array.shape[1:] == shape[1:]:
        array = array[:, None]
    if array.shape[1:] != shape or not len(array):
        raise InputError(f"input {tensor.name!r} must have shape {list(shape)} for each inference, "
                         f"but {path} holds {given}")
    return array


def _picture(path, tensor):
    """A picture as the model's input type: grey values mapped to the range of reals that the input can hold."""
    try:
        with Image.open(path) as image:
            if len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] not in (1, 3):
                raise InputError(f"{path} is a picture, but the model's input {tensor.name!r} of shape "
                                 f"{list(tensor.shape)} is not one")
            _, height, width, channels = tensor.shape
            image = image.convert("L" if channels == 1 else "RGB").resize((width, height))
            pixels = np.asarray(image, np.float64).reshape(tensor.shape)
    except (UnidentifiedImageError, OSError):
        raise InputError(f"input file {path} is neither a NumPy file nor a picture that can be read") from None
    if not len(tensor.scale):
        return (pixels if tensor.dtype == np.uint8 else pixels / 255).astype(tensor.dtype)[None]
    scale, zero = float(tensor.scale[0]), int(tensor.zero_point[0])
    info = np.iinfo(tensor.dtype)
    low, high = (info.min - zero) * scale, (info.max - zero) * scale
    if high > 8:  # the network takes grey values as they are
        reals = pixels
    elif low < -0.5:
        reals = pixels / 127.5 - 1
    else:
        reals = pixels / 255
    return np.clip(np.round(reals / scale) + zero, info.min, info.max).astype(tensor.dtype)[None]
