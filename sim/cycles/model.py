"""The whole chip: connects the processes of the units and runs them until the program halts."""

from typing import NamedTuple

import numpy as np
from systolith.rtl.isa import Opcode, Unit
from systolith.rtl.packets import COUNTERS
from systolith.rtl.useful_macs import UsefulMacs
from systolith.rtl.waits import units

from .activity import Activity
from .compact import CompactModel
from .dispatch import Dispatch, TagQueue
from .host import PacketPort, Transmitter, WidePort, host_unit
from .instructions import CycleModelError, Semaphores, read_program
from .lanes import activation_unit, vector_unit
from .matrix import Matrix
from .queue import UnitQueue
from .vectors import useful_weights
from .weights import ExternalMemory, OnChipMemory, WeightPath

__all__ = ["CycleModel", "Record", "Timing"]


class Record(NamedTuple):
    """One work instruction in time, in cycles.

    Members
    -------
    pc : int
    opcode : Opcode
    unit : Unit
    dispatched : int
        It enters the queue of its unit.
    start : int
        The unit takes it; matrix unit: its first vector is ready for the array.
    end : int
        It retires.
    tag : int or None
        Number of the first Tag after it that closes its unit's work (for the matrix unit also the activation unit's,
        which ends what the array began), or else any unit's.
    """
    pc: int
    opcode: Opcode
    unit: Unit
    dispatched: int
    start: int
    end: int
    tag: int | None


class Timing:
    """What the model knows of one run.

    Members
    -------
    counters : dict of int
        By `packets.COUNTERS`, at Halt.
    snapshots : list of (int, dict of int)
        Tag and counters of each snapshot, in order.
    """

    def __init__(self, config, run, halted, useful_weights):
        self._run = run
        # Counters show what came before the cycle.
        cycles = np.array([*run.tags.snapshots, halted + 1])
        useful = run.vectors.until(cycles - UsefulMacs.latency(config), useful_weights)
        columns = {"cycles": cycles.tolist(), "array_active": run.vectors.until(cycles).tolist(),
                   "useful_macs": (useful // config.macs).tolist()}
        columns |= {name: list(map(activity.until, columns["cycles"])) for name, activity in run.activities.items()}
        *snapshots, self.counters = (dict(zip(COUNTERS, row)) for row in zip(*(columns[name] for name in COUNTERS)))
        self.snapshots = [(tag.operands[1], counters) for (tag, *_), counters in zip(run.tags.pushed, snapshots)]

    def timeline(self):
        """The work instructions by their addresses, a list of `Record`."""
        return sorted(
            Record(instruction.pc, instruction.opcode, unit, dispatched, start, end, self._tag(instruction))
            for unit, queue in self._run.queues.items()
            for (instruction, dispatched, start), end in zip(queue.done, self._run.retired[unit], strict=True))

    def _tag(self, instruction):
        """See `Record.tag`."""
        later = [tag.operands for tag, *_ in self._run.tags.pushed if tag.pc > instruction.pc]
        closing = (instruction.unit, Unit.ACTIVATION if instruction.unit is Unit.MATRIX else instruction.unit)
        for _, tag, *_ in (*(operands for operands in later if operands[0] in closing), *later):
            return tag
        return None


class CycleModel:
    """Predicts the counters of the chip from a program.

    Exact for every legal program without races that moves no bytes between chip and host; for one that does, a host is
    assumed that takes and sends a byte a cycle, or a `host.WidePort`. Faults are not predicted.

    Parameters
    ----------
    config : Config
    bytes_per_cycle : int, float, Fraction or None
        Rate of an external weight memory; None: a row a cycle. An on-chip memory has no use for it.
    latency : int
        Cycles from a request at the chip's port to its row, at least 1; see `weights.ExternalMemory`.
    host_latency : int
        Cycles from the last byte of a packet that asks for data to the first of the host's answer.
    host_bytes_per_cycle : int, Fraction or None
        Rate of a link to the host that is faster than the chip's port, see `host.WidePort`; None: that port.
    """

    def __init__(self, config, bytes_per_cycle=None, latency=1, host_latency=0, host_bytes_per_cycle=None):
        self.config = config
        self._bytes_per_cycle = config.cols if bytes_per_cycle is None else bytes_per_cycle
        self._latency, self._host_latency, self._host_bytes = latency, host_latency, host_bytes_per_cycle

    def predict(self, code, weights, address=0):
        """Runs a program.

        Parameters
        ----------
        code : bytes
            The instruction memory from address 0 on.
        weights : int8 or uint8 array (any number, cols)
            The weight memory from row 0 on, as far as the array's weights reach. Only `useful_macs` depends on it.
        address : int
            Of the first instruction.

        Returns
        -------
        Timing

        Errors
        ------
        CycleModelError
            If the program does not end by Halt.
        """
        config, program = self.config, read_program(code, address)
        if config.compact:
            run = CompactModel(config)
            halted = run.run(program)
        else:
            if config.weight_memory == "external":
                memory = ExternalMemory(config.cols, self._bytes_per_cycle, self._latency)
            else:
                memory = OnChipMemory()
            transmitter = Transmitter()
            port = (PacketPort(config, transmitter, self._host_latency) if self._host_bytes is None
                    else WidePort(self._host_bytes, self._host_latency))
            run = Run(config, memory, transmitter, port)
            halted = run.run(program)
        return Timing(config, run, halted, useful_weights(program, weights, config.rows))


class Run:
    """One run: the processes of the units, each of which goes on as far as what it depends on is known.

    Parameters
    ----------
    config : Config
    memory : OnChipMemory or ExternalMemory
    transmitter : Transmitter
        For the packets of Interrupt.
    port : PacketPort or WidePort

    Members
    -------
    vectors : Vectors
    activities : dict of Activity
        By the other counters of `packets.COUNTERS`.
    queues : dict from Unit to UnitQueue
    retired : dict from Unit to list of int, cycles
    tags : TagQueue
    """

    def __init__(self, config, memory, transmitter, port):
        self._semaphores, self._transmitter = Semaphores(config), transmitter
        self.retired, self.tags = self._semaphores.retired, TagQueue(self._semaphores)
        self.queues = queues = {unit: UnitQueue(config.queue_depth, self._semaphores, unit) for unit in units(config)}
        self._weights = WeightPath(config, memory, queues[Unit.WEIGHT])
        matrix = Matrix(config, self._weights)
        queues[Unit.MATRIX].blocked = matrix.blocked
        self.vectors = matrix.vectors
        self.activities = {**matrix.activities, "vector_active": Activity(), "activation_active": Activity()}
        self._processes = {
            Unit.HOST: host_unit(queues[Unit.HOST], port),
            Unit.WEIGHT: self._weights.process, Unit.MATRIX: matrix.run(queues[Unit.MATRIX]),
            Unit.ACTIVATION: activation_unit(config, queues[Unit.ACTIVATION], self.activities["activation_active"]),
            Unit.NONE: self.tags.run()}
        if config.has_vector:
            self._processes[Unit.VECTOR] = vector_unit(config, queues[Unit.VECTOR], self.activities["vector_active"])

    def run(self, program):
        """Returns the program's last cycle; `program` ends with Halt."""
        # The host unit's packets come after those of Interrupt: it only goes on when it must.
        advance = {unit: process.__next__ for unit, process in self._processes.items()} | {Unit.HOST: lambda: None}
        return Dispatch(program, self.queues, self.tags, self._semaphores, self._transmitter, advance,
                        self._known).run()

    def _known(self, function):
        """What the function returns, once that is not None."""
        while (value := function()) is None:
            before = self._progress
            for process in self._processes.values():
                next(process)
            if self._progress == before:
                raise CycleModelError("the program never halts: its units wait in a circle")
        return value

    @property
    def _progress(self):
        """A number that grows with everything that becomes known."""
        return sum(queue.progress for queue in self.queues.values()) + len(self.tags.snapshots) + self._weights.progress
