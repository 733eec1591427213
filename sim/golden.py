"""The golden model: what a program does, without time."""

import numpy as np
from systolith.rtl import encoding, isa
from systolith.rtl.interfaces import PC_BITS
from systolith.rtl.isa import CONFIG, SINK, Destination, Fault, Function, Opcode, Unit
from systolith.rtl.packets import COUNTERS, Kind, Space, State, word_bytes

from .lanes import PARAMETER_ROWS, combine, scale

__all__ = ["GoldenModel"]


class _Stop(Exception):
    """A fault on its way from the access that made it to the end of the run."""

    def __init__(self, fault):
        super().__init__(fault.name)
        self.fault = fault


class GoldenModel:
    """Executes instructions one after the other, in program order, as `docs/architecture.md` says.

    It has no time: of the counters only `array_active` and `useful_macs` count. A wait or a weight tile that only a
    later instruction could provide is a DEADLOCK. Within an instruction accesses are made in the order of its loops up
    to the first that is out of range, except that all reads come before all writes: a program must not depend on how an
    instruction's writes overtake its own reads. What the contract leaves open (weights and windows before the first
    load) reads as 0.

    Parameters
    ----------
    config : Config

    Members
    -------
    unified_buffer : array of int8 (unified_buffer_bytes)
    weights : array of int8 (weight_memory_rows, cols)
    instructions : array of uint8 (instruction_depth, 16)
    tags : array of uint32 (tag_depth, counters)
    accumulators : array of int32 (accumulator_depth, cols)
    state : packets.State
    fault : isa.Fault
    fault_pc : int
        Address of the instruction that the fault names.
    counters : dict of int
        By their names in `packets.COUNTERS`.
    """

    def __init__(self, config):
        self.config = config
        self.unified_buffer = np.zeros(config.unified_buffer_bytes, np.int8)
        self.weights = np.zeros((config.weight_memory_rows, config.cols), np.int8)
        self.instructions = np.zeros((config.instruction_depth, isa.INSTRUCTION_BYTES), np.uint8)
        self.tags = np.zeros((config.tag_depth, len(COUNTERS)), np.uint32)
        self.accumulators = np.zeros((config.accumulator_depth, config.cols), np.int32)
        weight_rows = config.vector_kernel_rows * config.vector_taps
        self._stores = {
            Destination.ACTIVATION: np.zeros((config.parameter_slots, PARAMETER_ROWS, config.cols), np.int8),
            Destination.VECTOR: np.zeros((config.parameter_slots, PARAMETER_ROWS + weight_rows, config.cols), np.int8),
            Destination.TABLE: np.zeros((1, -(-256 // config.cols), config.cols), np.int8)}
        self._windows = {width: np.lib.stride_tricks.sliding_window_view(self.unified_buffer, width)
                         for width in (config.rows, config.cols)}
        self._tile = np.zeros((config.rows, config.cols), np.float32)
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.reset()

    def reset(self):
        """Gives up a program: only memories, parameter slots, function table and counters keep their contents."""
        self.state, self.fault, self.fault_pc = State.IDLE, Fault.NONE, 0
        self._retired = dict.fromkeys(Unit, 0)
        # Weights other than zero in the tile, and multiplications by such weights.
        self._nonzero = self._useful = 0
        self._fifo = np.zeros((0, self.config.cols), np.int8)
        self._registers = {unit: {register.name: 0 for register in table} for unit, table in CONFIG.items()}

    def memory(self, space):
        """A memory as the packets see it: a view of its bytes, one row a word."""
        array = {Space.UNIFIED_BUFFER: self.unified_buffer, Space.WEIGHTS: self.weights,
                 Space.INSTRUCTIONS: self.instructions, Space.TAGS: self.tags}[space]
        return array.view(np.uint8).reshape(-1, word_bytes(self.config, space))

    def run(self, address=0, host=None):
        """Executes the program at `address` until it halts or fails.

        Parameters
        ----------
        address : int
            Of the first instruction.
        host : object
            Whose ``read(address, length)`` returns bytes, ``write(address, data)`` takes them, and
            ``interrupt(code)`` is told; a program that uses none of them needs none.

        Returns
        -------
        (State, Fault, int)
            HALTED or FAULTED, the fault and its instruction's address.
        """
        steps, answer = self.steps(address), None
        while True:
            try:
                kind, *arguments = steps.send(answer)
            except StopIteration:
                return self.state, self.fault, self.fault_pc
            name = {Kind.HOST_READ: "read", Kind.HOST_WRITE: "write", Kind.INTERRUPT: "interrupt"}[kind]
            answer = getattr(host, name)(*arguments)

    def steps(self, address):
        """The same as a generator, for a caller that cannot answer at once.

        It yields ``(Kind.HOST_READ, address, length)``, to be sent so many bytes, ``(Kind.HOST_WRITE, address, data)``
        and ``(Kind.INTERRUPT, code)``, each short enough for a packet, and ends with the run.
        """
        self.reset()
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.state, pc = State.RUNNING, address
        try:
            while self.state is State.RUNNING:
                if pc >= self.config.instruction_depth:
                    raise _Stop(Fault.PROGRAM_END)
                yield from self._execute(self.instructions[pc].tobytes())
                pc += 1
        except _Stop as stop:
            self.state, self.fault, self.fault_pc = State.FAULTED, stop.fault, pc % (1 << PC_BITS)

    def _execute(self, word):
        try:
            row, f = encoding.decode(word)
        except encoding.IsaError:
            raise _Stop(Fault.ILLEGAL_INSTRUCTION) from None
        if not self._is_legal(row, f):
            raise _Stop(Fault.ILLEGAL_INSTRUCTION)
        for unit, count in ((f["wait0_unit"], f["wait0_count"]), (f["wait1_unit"], f["wait1_count"])):
            ahead = (self._retired[unit] - count) % (1 << isa.SEMAPHORE_BITS)
            if unit and ahead >= 1 << (isa.SEMAPHORE_BITS - 1):
                raise _Stop(Fault.DEADLOCK)
        requests = getattr(self, "_" + row.name.lower())(f)
        if requests is not None:
            yield from requests
        if row.work:
            self._retired[row.unit] += 1

    def _is_legal(self, row, f):
        config, opcode = self.config, row.opcode
        units = [unit for unit in Unit if unit is not Unit.VECTOR or config.has_vector]
        if f["wait0_unit"] not in units or f["wait1_unit"] not in units:
            return False
        match opcode:
            case Opcode.READ_HOST_MEMORY | Opcode.WRITE_HOST_MEMORY:
                return config.has_dma
            case Opcode.SYNCHRONISE:
                return f["unit"] in units
            case Opcode.TAG:
                return f["unit"] in units[1:] and f["tag"] < config.tag_depth
            case Opcode.SET_CONFIGURATION:
                known = (*range(len(CONFIG.get(f["unit"], ()))), SINK)
                return f["unit"] in units and f["unit"] in CONFIG and f["index0"] in known and f["index1"] in known
            case Opcode.READ_WEIGHTS:
                slotted = f["destination"] in (Destination.ACTIVATION, Destination.VECTOR)
                whole = all(f[name] % config.weight_path_rows == 0 for name in ("address", "count"))
                return ((f["destination"] != Destination.VECTOR or config.has_vector)
                        and (f["destination"] != Destination.ARRAY or whole)
                        and (not slotted or f["slot"] < config.parameter_slots))
            case Opcode.ACTIVATE:
                return f["slot"] < config.parameter_slots and 1 <= f["columns"] <= config.cols
            case Opcode.VECTOR:
                return (config.has_vector and f["function"] in list(Function)
                        and f["slot"] < config.parameter_slots and 1 <= f["columns"] <= config.cols)
        return True

    # Unified buffer

    def _in_range(self, addresses, width):
        """How many of the accesses come before the first that is out of range."""
        bad = addresses + width > self.config.unified_buffer_bytes
        return int(bad.argmax()) if bad.any() else len(addresses)

    def _nest(self, base, *loops):
        """Addresses of a loop nest, outermost first: a flat array. A loop is its count and its stride."""
        addresses = np.array([base])
        for count, stride in loops:
            addresses = np.add.outer(addresses, np.arange(count) * stride).reshape(-1)
        return addresses % (1 << self.config.address_bits)

    def _store(self, addresses, values):
        self.unified_buffer[addresses[:, None] + np.arange(values.shape[1])] = values

    # Instructions, by the names of the table

    def _nop(self, f):
        pass

    _synchronise = _nop

    def _halt(self, f):
        self.state = State.HALTED

    def _interrupt(self, f):
        yield Kind.INTERRUPT, f["code"]

    def _tag(self, f):
        self.tags[f["tag"]] = list(self.counters.values())

    def _set_configuration(self, f):
        table = CONFIG[f["unit"]]
        for index, value in ((f["index0"], f["value0"]), (f["index1"], f["value1"])):
            if index != SINK:
                register = table[index]
                used = value & ((1 << register.width) - 1)
                self._registers[f["unit"]][register.name] = (
                    encoding.signed(used, register.width) if register.signed else used)

    def _read_host_memory(self, f):
        for host_address, ub_address, length in self._host_blocks(f):
            data = yield Kind.HOST_READ, host_address, length
            self.unified_buffer[ub_address:ub_address + length] = np.frombuffer(data, np.int8)

    def _write_host_memory(self, f):
        for host_address, ub_address, length in self._host_blocks(f):
            yield Kind.HOST_WRITE, host_address, self.unified_buffer[ub_address:ub_address + length].tobytes()

    def _host_blocks(self, f):
        if f["length"] and f["ub_address"] + f["length"] > self.config.unified_buffer_bytes:
            raise _Stop(Fault.UNIFIED_BUFFER_RANGE)
        longest = self.config.packet_bytes - 4
        for done in range(0, f["length"], longest):
            yield ((f["host_address"] + done) % (1 << 32), f["ub_address"] + done, min(longest, f["length"] - done))

    def _read_weights(self, f):
        rows = self.weights[f["address"]:f["address"] + f["count"]]
        if f["destination"] == Destination.ARRAY:
            self._fifo = np.concatenate([self._fifo, rows])
        else:
            store = self._stores[f["destination"]]
            slot = store[f["slot"] if f["destination"] != Destination.TABLE else 0]
            slot[:len(rows)] = rows[:len(slot)]
        if len(rows) < f["count"]:
            raise _Stop(Fault.WEIGHT_MEMORY_RANGE)

    def _next_tile(self):
        rows = self.config.rows
        if len(self._fifo) < rows:
            raise _Stop(Fault.DEADLOCK)
        self._tile = self._fifo[:rows][::-1].astype(np.float32)  # the bottom row came first
        self._nonzero = np.count_nonzero(self._tile)
        self._fifo = self._fifo[rows:]

    def _matrix_multiply(self, f):
        if f["length"]:
            if f["switch"]:
                self._next_tile()
            self._multiply(self._nest(f["ub_address"], (f["length"], f["stride"])), f["acc_address"], f["accumulate"])

    def _convolve(self, f):
        r = self._registers[Unit.MATRIX]
        if not f["x_count"] or not f["y_count"]:
            return
        accumulate = f["accumulate"]
        for base in self._nest(f["ub_address"], (r["pass1_count"], r["pass1_stride"]),
                          (r["pass0_count"], r["pass0_stride"])):
            self._next_tile()
            self._multiply(self._nest(base, (f["y_count"], r["y_stride"]), (f["x_count"], r["x_stride"])),
                           f["acc_address"], accumulate)
            accumulate = True

    def _multiply(self, addresses, acc_address, accumulate):
        fit = self._in_range(addresses, self.config.rows)
        held = max(0, self.config.accumulator_depth - acc_address)
        count = min(fit, held, len(addresses))
        vectors = self._windows[self.config.rows][addresses[:count]].astype(np.float32)
        # Exact: no sum of up to 1024 products of bytes exceeds 2**24.
        products = (vectors @ self._tile).astype(np.int32)
        into = self.accumulators[acc_address:acc_address + count]
        into[:] = into + products if accumulate else products
        self.counters["array_active"] += count
        self._useful += count * self._nonzero
        self.counters["useful_macs"] = self._useful // self.config.macs
        if count < len(addresses):
            raise _Stop(Fault.UNIFIED_BUFFER_RANGE if fit == count else Fault.ACCUMULATOR_RANGE)

    def _activate(self, f):
        r = self._registers[Unit.ACTIVATION]
        addresses = self._nest(f["ub_address"], (f["y_count"], r["y_stride"]), (f["x_count"], r["x_stride"]))
        held = max(0, self.config.accumulator_depth - f["acc_address"])
        fit = self._in_range(addresses, f["columns"])
        count = min(fit, held, len(addresses))
        rows = self.accumulators[f["acc_address"]:f["acc_address"] + count]
        values = scale(rows, self._stores[Destination.ACTIVATION][f["slot"]], r)
        if f["table"]:
            values = self._stores[Destination.TABLE].reshape(-1)[values & 0xFF]
        self._store(addresses[:count], values[:, :f["columns"]])
        if count < len(addresses):
            raise _Stop(Fault.ACCUMULATOR_RANGE if held == count else Fault.UNIFIED_BUFFER_RANGE)

    def _vector(self, f):
        r = self._registers[Unit.VECTOR]
        taps = r["tap1_count"] * r["tap0_count"]
        steps = f["y_count"] * r["x_count"]
        if not taps or not steps:
            return
        reads = self._nest(f["in_address"], (f["y_count"], r["y_stride"]), (r["x_count"], r["x_stride"]),
                      (r["tap1_count"], r["tap1_stride"]), (r["tap0_count"], r["tap0_stride"]))
        fit = self._in_range(reads, self.config.cols)
        fed = fit // taps  # steps with all their reads in range
        vectors = self._windows[self.config.cols][reads[:fed * taps]].reshape(fed, taps, self.config.cols)
        results = combine(Function(f["function"]), vectors, self._stores[Destination.VECTOR][f["slot"]], r,
                          self.config.vector_taps)

        # The steps at which an output is made, and where it goes.
        if f["function"] == Function.DEPTHWISE:
            columns = np.arange(r["first_column"], r["x_count"], max(r["column_step"], 1))
        else:
            columns = np.arange(r["x_count"])
        made = np.add.outer(np.arange(f["y_count"]) * r["x_count"], columns).reshape(-1)
        places = self._nest(f["out_address"], (f["y_count"], r["out_y_stride"]), (len(columns), r["out_x_stride"]))
        due = int(np.searchsorted(made, fed))
        count = min(due, self._in_range(places, f["columns"]))
        self._store(places[:count], results[made[:count], :f["columns"]])
        if count < due or fed < steps:
            raise _Stop(Fault.UNIFIED_BUFFER_RANGE)

