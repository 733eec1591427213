"""Collects what a program is made of: weight memory rows, instructions with their waits, configuration."""

import numpy as np
from systolith.host.program import Dump, Step
from systolith.rtl import encoding, isa
from systolith.rtl.isa import Destination, Opcode, Unit
from systolith.rtl.packets import Space

from .hazards import Hazards, encode_waiting

__all__ = ["Builder", "CapacityError"]

#: Pieces in which a program fetches an input.
FETCHES = 16

#: The first rows of a parameter set hold the bias, the others multiplier and shift.
BIAS_ROWS = 4


class CapacityError(ValueError):
    """Something too large for a memory of the chip; the message is one full sentence.

    Members
    -------
    space : Space
        The memory: INSTRUCTIONS or WEIGHTS.
    """

    def __init__(self, space, message):
        super().__init__(message)
        self.space = space


class Builder:
    """Emits the instructions of one program.

    Layers say what they read and write; the builder adds waits, leaves out configuration that a unit already has,
    loads parameter sets into slots when they are not there, and stores equal weight rows once. What does not fit into
    the instruction buffer or the weight memory goes into a further image of it, which the host sends between two runs.

    Parameters
    ----------
    config : Config

    Members
    -------
    steps : list of Step
    owner : int, number of the operator that the next instructions belong to
    """

    def __init__(self, config):
        self.config = config
        self.steps = []
        self.owner = -1
        self._code, self._owners, self._weights = [[]], [[]], [[]]  # one entry an image
        self._row_count = 0
        self._stored = {}
        self._accumulator = 0
        self._forget_slots()

    def begin(self, **members):
        """Starts a new run; `members` of its `Step`."""
        if len(self._code[-1]) >= self.config.instruction_depth - 1:
            self._renew(Space.INSTRUCTIONS)
        self.steps.append(Step(**members))
        self._reset()

    def attempt(self, emit):
        """Calls a function that emits instructions; where they do not fit, ends the run and emits them in the next.

        Returns
        -------
        What the function returns.

        Errors
        ------
        CapacityError
            If they do not fit into empty memories either.
        """
        renewed = set()
        while True:
            mark = len(self._code[-1])
            try:
                return emit()
            except CapacityError as error:
                del self._code[-1][mark:], self._owners[-1][mark:]
                if error.space in renewed:
                    raise
                renewed.add(error.space)
                self._cut(error.space)

    def _cut(self, space):
        """Ends the run and goes on in the next, with a new image of one memory; the unified buffer stays."""
        step = self.steps[-1]
        if len(self._code[-1]) > step.address:
            self.halt()
            self.begin(part=step.part, layouts=step.layouts, boxes=step.boxes)
        self._renew(space)
        self._reset()

    def _renew(self, space):
        """Begins a new image of the instruction buffer or the weight memory."""
        if space == Space.INSTRUCTIONS and self._code[-1]:
            self._code.append([])
            self._owners.append([])
        if space == Space.WEIGHTS and self._weights[-1]:
            self._weights.append([])
            self._row_count, self._stored = 0, {}
        # What is in the slots is known by addresses in the weight memory, and perhaps by instructions taken back.
        self._forget_slots()

    def _reset(self):
        """Semaphores and configuration registers are 0 as before a run, whose instructions come next."""
        self._hazards = Hazards()
        self._registers = {unit: {} for unit in isa.CONFIG}
        step = self.steps[-1]
        step.code, step.address, step.weights = len(self._code) - 1, len(self._code[-1]), len(self._weights) - 1

    def _forget_slots(self):
        self._table = None
        self._slots = {Unit.ACTIVATION: {}, Unit.VECTOR: {}}

    def images(self):
        """What has been emitted: lists of instructions (bytes), their owners (int array) and weights (uint8 array)."""
        none = np.zeros((0, self.config.cols), np.uint8)
        return ([b"".join(code) for code in self._code], [np.array(owners, np.int32) for owners in self._owners],
                [np.concatenate([none, *rows]) for rows in self._weights])

    # Weight memory ---------------------------------------------------------------------------------------------------

    def store(self, rows):
        """Puts rows into the weight memory.

        Parameters
        ----------
        rows : int8 or uint8 array (n, cols)

        Returns
        -------
        int
            Address of the first row.
        """
        data = np.ascontiguousarray(rows).view(np.uint8)
        # All begin where a tile may.
        data = np.pad(data, ((0, -len(data) % self.config.weight_path_rows), (0, 0)))
        key = data.tobytes()
        if key not in self._stored:
            if self._row_count + len(data) > self.config.weight_memory_rows:
                need = (self._row_count + len(data)) * self.config.cols
                raise CapacityError(Space.WEIGHTS, f"the weights of a part of it take {need} bytes or more, but the "
                                    f"weight memory holds {self.config.weight_memory_rows * self.config.cols}")
            self._stored[key] = self._row_count
            self._weights[-1].append(data)
            self._row_count += len(data)
        return self._stored[key]

    def store_tiles(self, tiles):
        """Puts int8 tiles (n, rows, cols) into the weight memory, bottom row first; returns the address."""
        return self.store(tiles[:, ::-1, :].reshape(-1, self.config.cols))

    def parameter_rows(self, bias, multiplier, shift):
        """Parameter set of up to cols columns as nine rows: bias, multiplier, shift; missing columns are 0."""
        def wide(values, dtype):
            out = np.zeros(self.config.cols, dtype)
            out[:len(values)] = np.asarray(values, np.int64).astype(dtype)
            return out
        words = [wide(v, "<i4").view(np.uint8).reshape(-1, 4).T for v in (bias, multiplier)]
        return np.concatenate([*words, wide(shift, np.int8).view(np.uint8)[None]])

    # Instructions ----------------------------------------------------------------------------------------------------

    def _emit(self, data, last=False):
        code, owners = self._code[-1], self._owners[-1]
        new = [data[i:i + isa.INSTRUCTION_BYTES] for i in range(0, len(data), isa.INSTRUCTION_BYTES)]
        if len(code) + len(new) + (not last) > self.config.instruction_depth:  # a place is kept for Halt
            raise CapacityError(Space.INSTRUCTIONS, f"a part of it takes more than the {self.config.instruction_depth} "
                                                    f"instructions that the instruction buffer holds")
        code += new
        owners += [self.owner] * len(new)

    def _work(self, unit, opcode, reads, writes, **fields):
        self._emit(encode_waiting(opcode, unit, self._hazards.place(unit, reads, writes), **fields))

    def configure(self, unit, **values):
        """Gives configuration registers their values, with as few instructions as it takes."""
        have = self._registers[unit]
        registers = {r.name: r for r in isa.CONFIG[unit]}
        wanted = {registers[name].index: encoding.register_value(registers[name], value)
                  for name, value in values.items()}
        new = [(index, value) for index, value in wanted.items() if have.get(index, 0) != value]
        have.update(new)
        new += [(isa.SINK, 0)] * (len(new) % 2)
        for (index0, value0), (index1, value1) in zip(new[::2], new[1::2]):
            self._emit(encoding.encode(Opcode.SET_CONFIGURATION, unit=unit, index0=index0, value0=value0,
                                       index1=index1, value1=value1))

    def read_weights(self, destination, address, count, slot=0, writes=()):
        """Read_Weights."""
        self._work(Unit.WEIGHT, Opcode.READ_WEIGHTS, [], list(writes), destination=destination, address=address,
                   count=count, slot=slot)

    def load_tiles(self, tiles):
        """Sends int8 tiles (n, rows, cols) to the array."""
        self.read_weights(Destination.ARRAY, self.store_tiles(tiles), len(tiles) * self.config.rows)

    def load_parameters(self, unit, rows):
        """Slot in which a parameter set is, loaded now if it was not there.

        Parameters
        ----------
        unit : Unit
            ACTIVATION or VECTOR.
        rows : uint8 array (n, cols)
            As `parameter_rows` makes them; for the vector unit followed by its weights.
        """
        address, slots = self.store(rows), self._slots[unit]
        if address in slots:
            slots[address] = slots.pop(address)  # the least recently used comes first
            return slots[address][0]
        scale = rows[BIAS_ROWS:].tobytes()
        if len(slots) < self.config.parameter_slots:
            slot, before = len(slots), None
        else:
            slot, before = slots.pop(next(iter(slots)))
        slots[address] = slot, scale
        resource, destination = {Unit.ACTIVATION: ("parameters", Destination.ACTIVATION),
                                 Unit.VECTOR: ("vector_parameters", Destination.VECTOR)}[unit]
        # Multipliers that are in the slot already (a fully connected layer has one for all) need not be read again.
        count = BIAS_ROWS if scale == before else len(rows)
        self.read_weights(destination, address, count, slot, [(resource, slot, slot + 1)])
        return slot

    def load_table(self, table):
        """Makes an array of 256 int8, indexed by the input's bit pattern, the function table."""
        cols = self.config.cols
        rows = np.zeros((-(-256 // cols), cols), np.int8)
        rows.reshape(-1)[:256] = table
        address = self.store(rows)
        if self._table != address:
            self._table = address
            self.read_weights(Destination.TABLE, address, len(rows), 0, [("table", 0, 1)])

    def accumulators(self, count):
        """Address of the next `count` accumulator rows of the ring."""
        if self._accumulator + count > self.config.accumulator_depth:
            self._accumulator = 0
        address = self._accumulator
        self._accumulator += count
        return address

    def convolve(self, reads, acc_address, rows, **fields):
        """Convolve into `rows` accumulator rows from `acc_address`; `reads` are the byte ranges it reads."""
        self._work(Unit.MATRIX, Opcode.CONVOLVE, [("buffer", *r) for r in reads],
                   [("accumulators", acc_address, acc_address + rows)], acc_address=acc_address, **fields)

    def activate(self, writes, acc_address, rows, slot, table=0, **fields):
        """Activate of `rows` accumulator rows; `writes` are the byte ranges it writes."""
        reads = [("accumulators", acc_address, acc_address + rows), ("parameters", slot, slot + 1)]
        if table:
            reads.append(("table", 0, 1))
        self._work(Unit.ACTIVATION, Opcode.ACTIVATE, reads, [("buffer", *w) for w in writes], acc_address=acc_address,
                   slot=slot, table=table, **fields)

    def vector(self, reads, writes, slot=None, **fields):
        """Vector; `reads` and `writes` are byte ranges."""
        needs = [("buffer", *r) for r in reads]
        if slot is not None:
            needs.append(("vector_parameters", slot, slot + 1))
        self._work(Unit.VECTOR, Opcode.VECTOR, needs, [("buffer", *w) for w in writes], slot=slot or 0, **fields)

    def fill_padding(self, layout):
        """Writes a tensor's padding with the activation unit."""
        if runs := layout.padding_runs():
            self.fill(layout, runs, layout.fill)

    def fill(self, layout, runs, value):
        """Writes runs of a tensor's storage, as `Layout.padding_runs` gives them, with one value."""
        cols, depth = self.config.cols, self.config.accumulator_depth
        region = layout.base, layout.base + layout.size
        self.configure(Unit.ACTIVATION, minimum=value, maximum=value)
        for address, size, repetitions, distance in runs:
            for start, columns, count in ((0, cols, size // cols), (size - size % cols, size % cols, 1)):
                if not columns or not count:
                    continue
                x_count = min(count, depth)
                y_step = min(repetitions, depth // x_count)
                self.configure(Unit.ACTIVATION, x_stride=cols, y_stride=distance)
                for x in range(0, count, x_count):
                    for y in range(0, repetitions, y_step):
                        # The result is the clamp whatever the accumulators hold: no wait for the array.
                        self._work(Unit.ACTIVATION, Opcode.ACTIVATE, [], [("buffer", *region)],
                                   ub_address=address + start + x * cols + y * distance, columns=columns,
                                   x_count=min(x_count, count - x), y_count=min(y_step, repetitions - y))

    def dump(self, tensor):
        """Sends a tensor to the host: Write_Host_Memory."""
        step = self.steps[-1]
        layout, address = step.layouts[tensor], step.host_bytes
        self._work(Unit.HOST, Opcode.WRITE_HOST_MEMORY, [("buffer", layout.base, layout.base + layout.size)], [],
                   host_address=address, ub_address=layout.base, length=layout.size)
        step.dumps.append(Dump(tensor, address))

    def fetch(self, tensor):
        """Gets a tensor from the host, a piece after the other, so that what needs the first need not wait for all."""
        step = self.steps[-1]
        layout, address = step.layouts[tensor], step.host_bytes
        piece = -(-layout.size // FETCHES)
        for start in range(0, layout.size, piece):
            size, place = min(piece, layout.size - start), layout.base + start
            self._work(Unit.HOST, Opcode.READ_HOST_MEMORY, [], [("buffer", place, place + size)],
                       host_address=address + start, ub_address=place, length=size)
        step.fetches.append(Dump(tensor, address))

    def tag(self, unit):
        """Tag for the owner, if one is left: a snapshot when the unit has retired all it has been given so far."""
        tags = self.steps[-1].tags
        if len(tags) < self.config.tag_depth:
            self._emit(encoding.encode(Opcode.TAG, unit=unit, tag=len(tags)))
            tags[self.owner] = len(tags)

    def halt(self):
        """Halt, which ends the run."""
        self._emit(encoding.encode(Opcode.HALT), last=True)
