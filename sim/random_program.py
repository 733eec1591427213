"""Random programs that every correct chip must execute as the golden model does."""

from dataclasses import dataclass

import numpy as np
from systolith.host.compiler.hazards import Hazards, encode_waiting
from systolith.rtl.encoding import encode
from systolith.rtl.isa import (
    CONFIG,
    INSTRUCTION_BYTES,
    SEMAPHORE_BITS,
    SINK,
    Destination,
    Function,
    Opcode,
    Unit,
)

from .lanes import PARAMETER_ROWS

__all__ = ["RandomProgram", "random_program"]

_WINDOW = 4096  # bytes of the unified buffer that are used: few enough that instructions often collide
_HOST_BYTES = 4096
_SETS = 8  # parameter sets in the weight memory
_RANDOM_ROWS = 512


@dataclass(frozen=True)
class RandomProgram:
    """A program and what must be in the memories before it runs. All else may hold anything.

    Members
    -------
    buffer_address : int
        Where `unified_buffer` goes; the program touches nothing outside of it.
    unified_buffer : bytes
    weights : bytes
        Rows of cols bytes, from row 0 on.
    instructions : bytes
        From address 0 on.
    host_memory : bytes
        What host instructions read and write, from host address 0 on.
    """
    buffer_address: int
    unified_buffer: bytes
    weights: bytes
    instructions: bytes
    host_memory: bytes


def random_program(config, seed, length=100):
    """A legal program without races, of all instructions that the chip has; the same one for the same arguments.

    Parameters
    ----------
    config : Config
    seed : int
    length : int
        Instructions at least, besides those at the start that give accumulators, parameter slots and function table
        their contents; fewer where the instruction memory ends.

    Errors
    ------
    ValueError
        For a chip with a memory too small to play in.
    """
    return _Generator(config, seed).program(length)


class _Generator:
    """Draws instructions one by one."""

    def __init__(self, config, seed):
        self._config = config
        self._rng = np.random.default_rng(seed)
        self._hazards = Hazards()
        self._code = bytearray()
        self._placed = dict.fromkeys(Unit, 0)
        self._registers = {unit: {} for unit in CONFIG}
        self._ahead = 0  # rows fetched for tiles that no instruction has taken yet

        size = min(config.unified_buffer_bytes, _WINDOW)
        if size < 4 * max(config.rows, config.cols):
            raise ValueError(f"a unified buffer of {size} bytes is too small for random programs")
        spare = config.unified_buffer_bytes - size
        self._start = (0, spare, self._number(0, spare))[self._number(0, 2)]
        self._stop = self._start + size

        self._set_rows = {Destination.ACTIVATION: PARAMETER_ROWS,
                          Destination.VECTOR: PARAMETER_ROWS + config.vector_kernel_rows * config.vector_taps,
                          Destination.TABLE: -(-256 // config.cols)}
        needed = max(config.rows, PARAMETER_ROWS * (_SETS - 1) + max(self._set_rows.values()))
        if config.weight_memory_rows < needed:
            raise ValueError(f"a weight memory of {config.weight_memory_rows} rows is too small for random programs")
        self._rows = min(config.weight_memory_rows, needed + max(_RANDOM_ROWS, 6 * config.rows))

    def program(self, length):
        """Draws everything."""
        config, limit = self._config, self._config.instruction_depth * INSTRUCTION_BYTES - INSTRUCTION_BYTES
        self._fill()
        if len(self._code) > limit:
            raise ValueError(f"an instruction memory of {config.instruction_depth} is too small for random programs")
        kinds = [self._matrix_multiply, self._convolve, self._activate,
                 *[self._host_memory] * config.has_dma, self._load, self._prefetch,
                 self._little, *[self._vector] * 2 * config.has_vector]
        target = len(self._code) + length * INSTRUCTION_BYTES
        while len(self._code) < target:
            code = bytes(self._code)
            self._choice(kinds)()
            if len(self._code) > limit:
                self._code = code
                break
        return RandomProgram(self._start, self._rng.bytes(self._stop - self._start), self._weights(),
                             bytes(self._code) + encode(Opcode.HALT), self._rng.bytes(_HOST_BYTES))

    # What is drawn

    def _number(self, low, high):
        return int(self._rng.integers(low, high, endpoint=True))

    def _choice(self, options):
        return options[self._number(0, len(options) - 1)]

    def _weights(self):
        """Random rows; the first ones are parameter sets whose values the contract allows."""
        rng, cols = self._rng, self._config.cols
        weights = rng.integers(-128, 128, (self._rows, cols), np.int8)
        for first in range(0, _SETS * PARAMETER_ROWS, PARAMETER_ROWS):
            bias = rng.integers(-1 << 31, 1 << 31, cols) >> rng.integers(0, 32, cols)
            multiplier = rng.integers(1 << 30, 1 << 31, cols) * (rng.random(cols) < 0.95)
            for row, values in ((first, bias), (first + 4, multiplier)):
                weights[row:row + 4] = values.astype("<i4").view(np.int8).reshape(cols, 4).T
            weights[first + 8] = [self._shift(-12, -4) for _ in range(cols)]
        return weights.tobytes()

    def _shift(self, low, high):
        """A shift that gives results of interest, or now and then any."""
        return self._number(low, high) if self._number(0, 7) else self._number(-31, 30)

    def _nest(self, width, counts, start=None, stop=None):
        """A loop nest of accesses between `start` and `stop`.

        Returns
        -------
        (address, strides, (resource, start, stop))
            The last is what encloses all accesses.
        """
        start, stop = self._start if start is None else start, self._stop if stop is None else stop
        reach = min(3 * width, (stop - start - width) // max(1, sum(count - 1 for count in counts)))
        strides = [self._number(-reach, reach) for _ in counts]
        spans = [(count - 1) * stride for count, stride in zip(counts, strides)]
        low, high = sum(min(0, span) for span in spans), sum(max(0, span) for span in spans) + width
        address = self._number(start - low, stop - high)
        return address, strides, ("buffer", address + low, address + high)

    def _accumulators(self, count):
        address = self._number(0, self._config.accumulator_depth - count)
        return address, ("accumulators", address, address + count)

    # How it is emitted

    def _work(self, opcode, unit, reads=(), writes=(), **fields):
        self._code += encode_waiting(opcode, unit, self._hazards.place(unit, reads, writes), **fields)
        self._placed[unit] += 1

    def _configure(self, unit, **values):
        """Writes the registers that change, two at a time, in any order."""
        known = self._registers[unit]
        changed = [(register.index, values[register.name]) for register in CONFIG[unit]
                   if register.name in values and known.get(register.name) != values[register.name]]
        known |= values
        self._rng.shuffle(changed)
        if len(changed) % 2:
            changed.append((SINK, self._number(0, 99)))
        for first, second in zip(changed[::2], changed[1::2]):
            self._code += encode(Opcode.SET_CONFIGURATION, unit=unit, index0=first[0], value0=first[1],
                                 index1=second[0], value1=second[1])

    def _configure_clamp(self, unit):
        low, high = (-128, 127) if self._number(0, 3) else sorted((self._number(-128, 127), self._number(-128, 127)))
        self._configure(unit, minimum=low, maximum=high, zero_point=self._number(-128, 127))

    # Instructions

    def _fill(self):
        """First contents for what keeps its contents from one run to the next."""
        config = self._config
        for destination in self._destinations():
            for slot in range(1 if destination is Destination.TABLE else config.parameter_slots):
                self._load_set(destination, slot)
        self._multiply(config.accumulator_depth, switch=1, accumulate=0)

    def _destinations(self):
        return [Destination.ACTIVATION, Destination.TABLE, *[Destination.VECTOR] * self._config.has_vector]

    def _load(self):
        destination = self._choice(self._destinations())
        self._load_set(destination, 0 if destination is Destination.TABLE
                       else self._number(0, self._config.parameter_slots - 1))

    def _load_set(self, destination, slot):
        resource = {Destination.ACTIVATION: "parameters", Destination.VECTOR: "vector_parameters",
                    Destination.TABLE: "table"}[destination]
        self._work(Opcode.READ_WEIGHTS, Unit.WEIGHT, writes=[(resource, slot, slot + 1)], destination=destination,
                   slot=slot, address=PARAMETER_ROWS * self._number(0, _SETS - 1), count=self._set_rows[destination])

    def _fetch(self, count):
        path = self._config.weight_path_rows
        count = count // path * path
        self._work(Opcode.READ_WEIGHTS, Unit.WEIGHT, address=self._number(0, (self._rows - count) // path) * path,
                   count=count)
        self._ahead += count

    def _prefetch(self):
        """Rows for later, whole tiles or not; never more than the weight FIFO holds, lest what follows gets stuck."""
        room = self._config.weight_fifo_tiles * self._config.rows - self._ahead
        self._fetch(self._number(0, min(room, self._rows)))

    def _take(self, tiles):
        """Fetches what is missing of the next tiles. One instruction: more might fill the queue, while the instruction
        that takes the tiles, which must come right after, is not dispatched."""
        rows = tiles * self._config.rows
        if self._ahead < rows:
            self._fetch(rows - self._ahead)
        self._ahead -= rows

    def _matrix_multiply(self):
        self._multiply(self._number(1, min(24, self._config.accumulator_depth)), switch=self._number(0, 1),
                       accumulate=self._number(0, 1))

    def _multiply(self, length, switch, accumulate):
        address, (stride,), vectors = self._nest(self._config.rows, [length])
        acc_address, rows = self._accumulators(length)
        self._take(switch)
        self._work(Opcode.MATRIX_MULTIPLY, Unit.MATRIX, [vectors], [rows], ub_address=address, acc_address=acc_address,
                   length=length, stride=stride, accumulate=accumulate, switch=switch)

    def _convolve(self):
        x_count, y_count = self._number(1, 6), self._number(1, 2)
        pass0, pass1 = (self._number(1, 3), self._number(1, 2)) if self._rows >= 6 * self._config.rows else (1, 1)
        address, strides, vectors = self._nest(self._config.rows, [y_count, x_count, pass0, pass1])
        acc_address, rows = self._accumulators(x_count * y_count)
        self._configure(Unit.MATRIX, y_stride=strides[0], x_stride=strides[1], pass0_count=pass0,
                        pass0_stride=strides[2], pass1_count=pass1, pass1_stride=strides[3])
        self._take(pass0 * pass1)
        self._work(Opcode.CONVOLVE, Unit.MATRIX, [vectors], [rows], ub_address=address, acc_address=acc_address,
                   x_count=x_count, y_count=y_count, accumulate=self._number(0, 1))

    def _activate(self):
        x_count, y_count, columns = self._number(1, 8), self._number(1, 2), self._number(1, self._config.cols)
        slot, table = self._number(0, self._config.parameter_slots - 1), self._number(0, 1)
        acc_address, rows = self._accumulators(x_count * y_count)
        address, (y_stride, x_stride), bytes_written = self._nest(columns, [y_count, x_count])
        self._configure(Unit.ACTIVATION, x_stride=x_stride, y_stride=y_stride)
        self._configure_clamp(Unit.ACTIVATION)
        self._work(Opcode.ACTIVATE, Unit.ACTIVATION,
                   [rows, ("parameters", slot, slot + 1), *[("table", 0, 1)] * table], [bytes_written],
                   acc_address=acc_address, ub_address=address, x_count=x_count, y_count=y_count, slot=slot,
                   table=table, columns=columns)

    def _vector(self):
        config, function = self._config, self._choice(list(Function))
        counts = {"x_count": self._number(1, 8), "tap1_count": self._number(1, 3), "tap0_count": self._number(1, 3)}
        y_count, columns, outputs = self._number(1, 3), self._number(1, config.cols), counts["x_count"]
        slot = self._number(0, config.parameter_slots - 1)
        if function is Function.DEPTHWISE:
            first, step = config.vector_taps - 1 + self._number(0, 2), self._number(0, 3)
            tap0 = self._number(1, min(2, config.vector_kernel_rows))
            counts = {"x_count": first + self._number(0, 8),
                      "tap1_count": self._number(1, min(4, config.vector_kernel_rows // tap0)), "tap0_count": tap0}
            outputs = len(range(first, counts["x_count"], max(step, 1)))
            self._configure(Unit.VECTOR, first_column=first, column_step=step)
        elif function in (Function.ADD, Function.SUBTRACT, Function.MULTIPLY):
            counts |= {"tap1_count": 1, "tap0_count": 2}
            self._configure_operands(-10 if function is Function.MULTIPLY else -20)

        # What is read and what is written must not meet: the chip reads ahead.
        quarter = (self._stop - self._start) // 4
        middle = self._number(self._start + quarter, self._stop - quarter)
        below, above = (self._start, middle), (middle, self._stop)
        source, target = (below, above) if self._number(0, 1) else (above, below)
        in_address, strides, vectors = self._nest(
            config.cols, [y_count, *(max(1, count) for count in counts.values())], *source)
        out_address, out_strides, results = self._nest(columns, [y_count, max(1, outputs)], *target)
        names = ("y_stride", *(name.replace("count", "stride") for name in counts), "out_y_stride", "out_x_stride")
        self._configure(Unit.VECTOR, **counts, **dict(zip(names, (*strides, *out_strides))))
        self._configure_clamp(Unit.VECTOR)
        self._work(Opcode.VECTOR, Unit.VECTOR, [vectors, ("vector_parameters", slot, slot + 1)], [results],
                   function=function, in_address=in_address, out_address=out_address, y_count=y_count, slot=slot,
                   columns=columns)

    def _configure_operands(self, shift):
        self._configure(Unit.VECTOR, shift_out=self._shift(shift - 3, shift + 3),
                        **{f"zero_point_{name}": self._number(-128, 127) for name in "ab"},
                        **{f"shift_{name}": self._shift(-4, 0) for name in "ab"},
                        **{f"multiplier_{name}": self._number(1 << 30, (1 << 31) - 1) for name in ("a", "b", "out")})

    def _host_memory(self):
        longest = min(_HOST_BYTES, self._stop - self._start, 2 * self._config.packet_bytes)
        length = self._number(0, self._choice((9, longest)))
        address, _, interval = self._nest(length, [])
        fields = {"host_address": self._number(0, _HOST_BYTES - length), "ub_address": address, "length": length}
        if self._number(0, 1):
            self._work(Opcode.READ_HOST_MEMORY, Unit.HOST, writes=[interval], **fields)
        else:
            self._work(Opcode.WRITE_HOST_MEMORY, Unit.HOST, [interval], **fields)

    def _little(self):
        """An instruction that changes no memory, behind waits for any earlier work."""
        units = [unit for unit in Unit if unit is not Unit.VECTOR or self._config.has_vector]
        fields = {}
        for wait in ("wait0", "wait1"):
            unit = self._choice(units)
            count = self._number(max(0, self._placed[unit] - 9), self._placed[unit])
            fields |= {f"{wait}_unit": unit, f"{wait}_count": count % (1 << SEMAPHORE_BITS)}
        opcode, own = self._choice([
            (Opcode.NOP, {}),
            (Opcode.INTERRUPT, {"code": self._number(0, 65535)}),
            (Opcode.TAG, {"unit": self._choice(units[1:]), "tag": self._number(0, self._config.tag_depth - 1)}),
            *[(Opcode.SYNCHRONISE, {"unit": self._choice(units)})] * 3])
        self._code += encode(opcode, **fields, **own)
