"""The matrix unit alone as a fast simulation, for arrays too large to simulate with a whole chip around them."""

import ctypes
import re
from pathlib import Path

import numpy as np
from systolith.rtl.array import ArrayBand
from systolith.rtl.encoding import encode
from systolith.rtl.interfaces import BUFFER_READ_LATENCY, IssueLayout
from systolith.rtl.isa import Opcode
from systolith.rtl.matrix import MatrixUnit
from systolith.rtl.tile_fifo import TileFifo
from systolith.rtl.verilog import convert

from .verilator import TOP, build

__all__ = ["MatrixSimulation", "build_matrix"]

_WRAPPER = Path(__file__).with_name("matrix.cpp")


def build_matrix(config):
    """The shared library that simulates the matrix unit of a configuration, as `verilator.build`.

    Parameters
    ----------
    config : Config
        Without `adder_columns`, so that bands of equal width are one module.

    Returns
    -------
    Path
    """
    # With four columns the calls of the library cost less than what it computes, and its code still fits the caches.
    cols = config.cols
    while cols > 4 and cols % 2 == 0:
        cols //= 2
    text = convert(MatrixUnit(config), TOP)
    modules = {match[1]: match[0] for match in
               re.finditer(rf"^module ({TOP}_arrayband_\d+)\(.*?^endmodule\n", text, re.MULTILINE | re.DOTALL)}
    weights = f"input [{8 * config.weight_path_rows * cols - 1}:0] weights;"
    name, module = next(item for item in modules.items() if weights in item[1])
    block = convert(ArrayBand(config.rows, cols, config.multiplier, 0, config.weight_path_rows), name, flat=True)
    return build(text.replace(module, ""), _WRAPPER, {name: block})


class MatrixSimulation:
    """A simulated matrix unit.

    Parameters
    ----------
    config : Config
    library : Path
        From `build_matrix`.
    """

    def __init__(self, config, library):
        self._config = config
        self._library = library = ctypes.CDLL(str(library))
        pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
        library.unit_create.restype, library.unit_create.argtypes = pointer, (size,) * 5
        library.unit_destroy.restype, library.unit_destroy.argtypes = None, (pointer,)
        library.unit_run.restype = ctypes.c_uint64
        library.unit_run.argtypes = pointer, text, size, text, text, size, ctypes.c_uint64
        library.unit_read.restype, library.unit_read.argtypes = None, (pointer, ctypes.c_uint16, text)
        library.unit_cycles.restype, library.unit_cycles.argtypes = ctypes.c_uint64, (pointer,)
        self._unit = library.unit_create(
            config.rows, config.cols, config.weight_beat_bytes, BUFFER_READ_LATENCY, TileFifo.LATENCY)

    def multiply(self, vectors, tile):
        """Loads a tile and multiplies vectors by it.

        Parameters
        ----------
        vectors : int8 array (any number, rows)
        tile : int8 array (rows, cols)

        Returns
        -------
        (int32 array (any number, cols), int)
            The accumulators, and the cycles from the issue of the instruction to its end.
        """
        config, count = self._config, len(vectors)
        word = encode(Opcode.MATRIX_MULTIPLY, stride=config.rows, switch=1, length=count)
        layout = IssueLayout()
        payload = int.from_bytes(word, "little").to_bytes(-(-layout.size // 8), "little")
        cycles = self._library.unit_run(self._unit, payload, len(payload), vectors.tobytes(), tile[::-1].tobytes(),
                                        config.tile_beats, 100 * (count + config.rows + config.cols))
        if not cycles:
            raise RuntimeError("the simulated matrix unit does not finish")
        rows = np.empty((count, config.cols), np.int32)
        for row in range(count):
            data = ctypes.create_string_buffer(4 * config.cols)
            self._library.unit_read(self._unit, row, data)
            rows[row] = np.frombuffer(data.raw, np.int32)
        return rows, cycles

    @property
    def cycles(self):
        """Clock cycles since the reset."""
        return self._library.unit_cycles(self._unit)

    def close(self):
        """Frees the simulation."""
        self._library.unit_destroy(self._unit)
