"""The one description of a chip: every size that RTL, models, compiler and reports need."""

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from .errors import UserError

__all__ = ["ADDRESS_BITS", "MULTIPLIERS", "PRESETS", "Config", "ConfigError", "load_config"]

#: Width of a unified-buffer byte address in an instruction. Address arithmetic is modulo a power of two
#: (`Config.address_bits`), so that a negative stride is its two's complement.
ADDRESS_BITS = 26

#: Kinds of multiplier in the MAC cells, by their name in `Config.multiplier`; see rtl/terms.py.
MULTIPLIERS = ("portable", "dsp", "winograd")


class ConfigError(UserError):
    """A configuration that cannot be built; the message is one full sentence."""


def _doc(default, text):
    return field(default=default, metadata={"doc": text})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters of one chip.

    Validated once, here; a `Config` that exists can be built. Nothing else in the project holds a size.

    Errors
    ------
    ConfigError
        With one sentence that names the parameter, its value and what was expected.
    """

    name: str = _doc("custom", "name of the preset or of the file it came from")
    rows: int = _doc(16, "rows of the array: contraction length of one pass (bytes a vector)")
    cols: int = _doc(16, "columns of the array: outputs of one pass, and lanes of the vector unit")
    accumulator_depth: int = _doc(512, "accumulator rows, each of cols x 32 bits")
    unified_buffer_bytes: int = _doc(65536, "bytes of the unified buffer")
    weight_fifo_tiles: int = _doc(4, "tiles of rows x cols weights that the weight FIFO holds")
    weight_path_rows: int = _doc(1, "rows of weights that go from the weight memory into the array a cycle: 1 or 2")
    weight_memory: str = _doc("sram", "'sram' (on chip) or 'external' (a read port of the top)")
    weight_memory_rows: int = _doc(18432, "rows of cols bytes in the weight memory")
    requantise_lanes: int = _doc(8, "outputs a cycle that the activation unit requantises")
    requantise_dsps: int = _doc(3, "how many of the 3 multipliers of each of these lanes are DSPs, not adders")
    vector_taps: int = _doc(3, "taps a lane a cycle of the vector unit; 0 leaves the unit out")
    vector_requantise_lanes: int = _doc(0, "outputs a cycle that the vector unit requantises; 0: requantise_lanes")
    vector_requantise_dsps: int = _doc(3, "how many of the 3 multipliers of each of these lanes are DSPs, not adders")
    vector_multiplier: str = _doc("dsp", "what other multipliers of the vector unit are made of: 'dsp' or 'adders'")
    vector_kernel_rows: int = _doc(32, "reads that a depthwise convolution in the vector unit may make of each pixel's "
                                       "window, for vector_taps taps each")
    parameter_slots: int = _doc(4, "per-channel parameter sets held in each of activation and vector unit")
    instruction_depth: int = _doc(2048, "instructions that the instruction buffer holds")
    queue_depth: int = _doc(32, "instructions that may wait in the queue of each unit")
    tag_depth: int = _doc(128, "counter snapshots that Tag can record")
    packet_bytes: int = _doc(1024, "longest packet payload in bytes")
    multiplier: str = _doc("portable", f"kind of multiplier in the MAC cells: {', '.join(MULTIPLIERS)}")
    adder_columns: int = _doc(0, "columns, from the east, of 'winograd' cells that multiply in adders, not DSPs")
    compact: bool = _doc(False, "the small and slow microarchitecture: one memory with one port for everything, one "
                                "instruction at a time, outputs one by one or by the row; needs "
                                "requantise_lanes 1, vector_taps 0, weight_fifo_tiles 1, queue_depth 1")
    requantise_bits: int = _doc(2, "compact: bits of a multiplier that the requantisation takes a cycle: 1, 2, 4, or "
                                   "32 for the activation unit of other chips, which wants DSPs")

    def __post_init__(self):
        def need(condition, name, expected):
            if not condition:
                raise ConfigError(f"{name} must be {expected}, not {getattr(self, name)!r}")

        for f in dataclasses.fields(self):
            if f.type in (int, "int"):
                value = getattr(self, f.name)
                need(isinstance(value, int) and not isinstance(value, bool), f.name, "a whole number")
            elif f.type in (bool, "bool"):
                need(isinstance(getattr(self, f.name), bool), f.name, "true or false")
            else:
                need(isinstance(getattr(self, f.name), str), f.name, "a text")
        need(1 <= self.rows <= 1024, "rows", "between 1 and 1024")
        need(2 <= self.cols <= 1024, "cols", "between 2 and 1024")
        need(16 <= self.accumulator_depth <= 16384, "accumulator_depth", "between 16 and 16384")
        need(256 <= self.unified_buffer_bytes <= 1 << (ADDRESS_BITS - 1), "unified_buffer_bytes",
             f"between 256 and {1 << (ADDRESS_BITS - 1)}")
        need(self.unified_buffer_bytes % self.banks == 0, "unified_buffer_bytes",
             f"a multiple of the {self.banks} banks")
        need(1 <= self.weight_fifo_tiles <= 64, "weight_fifo_tiles", "between 1 and 64")
        need(self.weight_memory in ("sram", "external"), "weight_memory", "'sram' or 'external'")
        need(self.rows <= self.weight_memory_rows <= 1 << 28, "weight_memory_rows",
             f"between rows ({self.rows}) and {1 << 28}")
        pairs = self.weight_memory == "sram" and not self.compact and (self.rows | self.weight_memory_rows) % 2 == 0
        need(self.weight_path_rows == 1 or (self.weight_path_rows == 2 and pairs), "weight_path_rows",
             "1 or, with an even number of rows and of weight_memory_rows, on chip and not compact, 2")
        need(self.requantise_lanes >= 1 and self.cols % self.requantise_lanes == 0
             and self.cols // self.requantise_lanes >= 2, "requantise_lanes",
             f"a divisor of cols ({self.cols}), at most half of it")
        need(0 <= self.requantise_dsps <= 3, "requantise_dsps", "between 0 and 3")
        need(self.vector_requantise_lanes >= 0 and self.cols % self.vector_lanes == 0 and self.vector_beats >= 2,
             "vector_requantise_lanes", f"0 or a divisor of cols ({self.cols}), at most half of it")
        need(self.vector_multiplier in ("dsp", "adders"), "vector_multiplier", "'dsp' or 'adders'")
        need(0 <= self.vector_requantise_dsps <= 3, "vector_requantise_dsps", "between 0 and 3")
        need(0 <= self.vector_taps <= 8, "vector_taps", "between 0 and 8")
        need(1 <= self.vector_kernel_rows <= 32, "vector_kernel_rows", "between 1 and 32")
        need(2 <= self.parameter_slots <= 8, "parameter_slots", "between 2 and 8")
        need(16 <= self.instruction_depth <= 65536, "instruction_depth", "between 16 and 65536")
        need(1 + (not self.compact) <= self.queue_depth <= 256, "queue_depth", "between 2 and 256")
        need(1 <= self.tag_depth <= 4096, "tag_depth", "between 1 and 4096")
        # A WRITE holds a space, an address and at least one row of weights.
        need(max(64, self.cols + 5) <= self.packet_bytes <= 4096, "packet_bytes",
             f"between {max(64, self.cols + 5)} and 4096")
        need(self.multiplier in MULTIPLIERS, "multiplier", f"one of {', '.join(MULTIPLIERS)}")
        most = self.cols if self.multiplier == "winograd" else 0
        need(0 <= self.adder_columns <= most, "adder_columns",
             f"between 0 and {most} with multiplier {self.multiplier!r}")
        if self.compact:
            need(self.cols in (4, 8), "cols", "4 or 8 in a compact chip")
            need(self.rows <= self.cols, "rows", "at most cols in a compact chip")
            for name, value in (("requantise_lanes", 1), ("vector_taps", 0), ("weight_fifo_tiles", 1),
                                ("queue_depth", 1), ("weight_memory", "sram")):
                need(getattr(self, name) == value, name, f"{value!r} in a compact chip")
            # So that instructions begin with a word of the memory, whatever the other sizes.
            need(self.unified_buffer_bytes % 16 == 0, "unified_buffer_bytes", "a multiple of 16 in a compact chip")
            need(self.weight_memory_rows % 4 == 0, "weight_memory_rows", "a multiple of 4 in a compact chip")
            need(self.requantise_bits in (1, 2, 4, 32), "requantise_bits", "1, 2, 4 or 32")

    @property
    def macs(self):
        """Multiply-accumulates a cycle."""
        return self.rows * self.cols

    @property
    def requantises_rows(self):
        """Whether a compact chip requantises rows of accumulators, not one output at a time."""
        return self.compact and self.requantise_bits == 32

    @property
    def tile_beats(self):
        """Cycles that a tile takes into the array."""
        return self.rows // self.weight_path_rows

    @property
    def weight_beat_bytes(self):
        """Bytes of the rows of weights that go into the array in a cycle."""
        return self.weight_path_rows * self.cols

    @property
    def banks(self):
        """Byte-wide banks of the unified buffer: the power of two that holds the widest access."""
        return 1 << (max(self.rows, self.cols) - 1).bit_length()

    @property
    def address_bits(self):
        """Bits of the unified buffer's addresses, all computed modulo 2**address_bits."""
        return self.unified_buffer_bytes.bit_length() if self.compact else ADDRESS_BITS

    @property
    def weight_base(self):
        """Where a compact chip's weights begin in its memory, in bytes."""
        return self.unified_buffer_bytes

    @property
    def instruction_base(self):
        """Where a compact chip's instructions begin in its memory, in bytes."""
        return self.weight_base + self.weight_memory_rows * self.cols

    @property
    def memory_bytes(self):
        """Size of a compact chip's memory."""
        return self.instruction_base + 16 * self.instruction_depth

    @property
    def memory_bits(self):
        """Bits of a byte address in a compact chip's memory."""
        return (self.memory_bytes - 1).bit_length()

    @property
    def beats(self):
        """Cycles in which one accumulator row passes through the requantise lanes (at least 2)."""
        return self.cols // self.requantise_lanes

    @property
    def vector_lanes(self):
        """Requantise lanes of the vector unit."""
        return self.vector_requantise_lanes or self.requantise_lanes

    @property
    def vector_beats(self):
        """Cycles in which one vector passes through the requantise lanes of the vector unit (at least 2)."""
        return self.cols // self.vector_lanes

    @property
    def has_dma(self):
        """Whether programs can move bytes between unified buffer and host."""
        return not self.compact

    @property
    def has_vector(self):
        """Whether the vector unit is there."""
        return self.vector_taps > 0

    def as_dict(self):
        """All parameters by name, as plain values."""
        return dataclasses.asdict(self)

    def digest(self):
        """Eight bytes that name everything but `name`: equal digests mean interchangeable programs."""
        values = self.as_dict()
        del values["name"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()[:8]

    @classmethod
    def from_dict(cls, values, name="custom"):
        """Configuration from a mapping; `base` may name the preset whose values it changes.

        Errors
        ------
        ConfigError
            For an unknown parameter or preset, or a value out of range.
        """
        values = dict(values)
        base = values.pop("base", None)
        if base is not None and base not in PRESETS:
            raise ConfigError(f"base must be one of {', '.join(PRESETS)}, not {base!r}")
        known = {f.name for f in dataclasses.fields(cls)}
        for key in values:
            if key not in known:
                names = ", ".join(sorted(known))
                raise ConfigError(f"{key!r} is not a parameter of a configuration; known are {names}")
        start = PRESETS[base].as_dict() if base else {}
        return cls(**{**start, "name": name, **values})


#: The named configurations. pico: iCE40 UP5K, Gowin. nano: small ECP5. edge: ECP5-85F. v1: TPU v1's sizes.
PRESETS = {c.name: c for c in (
    Config(name="pico", rows=4, cols=4, accumulator_depth=256, unified_buffer_bytes=49152, weight_fifo_tiles=1,
           weight_memory_rows=12288, requantise_lanes=1, vector_taps=0, parameter_slots=2, instruction_depth=2048,
           queue_depth=1, tag_depth=15, packet_bytes=256, compact=True),
    Config(name="nano", rows=8, cols=8, accumulator_depth=256, unified_buffer_bytes=32768, weight_fifo_tiles=4,
           weight_memory_rows=36864, requantise_lanes=2, queue_depth=16, tag_depth=64, packet_bytes=512),
    Config(name="edge", weight_path_rows=2),
    Config(name="v1", rows=256, cols=256, accumulator_depth=4096, unified_buffer_bytes=24 << 20,
           weight_memory="external", weight_memory_rows=1 << 25, requantise_lanes=128, instruction_depth=4096,
           tag_depth=1024, packet_bytes=4096),
)}


def load_config(name):
    """The preset of that name, or the configuration in the TOML file at that path.

    Parameters
    ----------
    name : str or Path
        ``pico``, ``nano``, ``edge``, ``v1`` or a path ending in ``.toml``.

    Errors
    ------
    ConfigError
        If it is neither, cannot be read, or holds a value out of range.
    """
    if str(name) in PRESETS:
        return PRESETS[str(name)]
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(f"configuration {str(name)!r} is neither a preset ({', '.join(PRESETS)}) nor a .toml file")
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"configuration file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file {path} is not TOML: {error}") from None
    try:
        return Config.from_dict(values, name=path.stem)
    except ConfigError as error:
        raise ConfigError(f"configuration file {path}: {error}") from None
