"""The whole chip: connects the processes of the units and runs them until the program halts."""

from typing import NamedTuple

from systolith.rtl.isa import Opcode, Unit
from systolith.rtl.packets import COUNTERS
from systolith.rtl.waits import units

from .activity import Activity
from .compact import CompactModel
from .dispatch import Dispatch, TagQueue
from .host import Transmitter, host_unit
from .instructions import CycleModelError, Semaphores, read_program
from .lanes import activation_unit, vector_unit
from .matrix import Matrix
from .queue import UnitQueue
from .weights import ExternalMemory, OnChipMemory, TileLoader, weight_unit

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

    def __init__(self, halted, tags, activities, queues, retired):
        self._tags, self._activities, self._queues, self._retired = tags.pushed, activities, queues, retired
        self.counters = self._count(halted + 1)
        self.snapshots = [(tag["tag"], self._count(cycle)) for (tag, *_), cycle in zip(tags.pushed, tags.snapshots)]

    def _count(self, cycle):
        """The counters as they are in a cycle."""
        return {name: cycle if name == "cycles" else self._activities[name].until(cycle) for name in COUNTERS}

    def timeline(self):
        """The work instructions by their addresses, a list of `Record`."""
        return sorted(
            Record(instruction.pc, instruction.opcode, unit, dispatched, start, end, self._tag(instruction))
            for unit, queue in self._queues.items()
            for (instruction, dispatched, start), end in zip(queue.done, self._retired[unit], strict=True))

    def _tag(self, instruction):
        """See `Record.tag`."""
        later = [tag for tag, *_ in self._tags if tag.pc > instruction.pc]
        closing = (instruction.unit, Unit.ACTIVATION if instruction.unit is Unit.MATRIX else instruction.unit)
        for tag in (*(tag for tag in later if tag["unit"] in closing), *later):
            return tag["tag"]
        return None


class CycleModel:
    """Predicts the counters of the chip from a program.

    Exact for every legal program without races that moves no bytes between chip and host; `host.host_unit` says what
    is assumed of the host. Faults are not predicted.

    Parameters
    ----------
    config : Config
    bytes_per_cycle : int, float, Fraction or None
        Rate of an external weight memory; None: a row a cycle. An on-chip memory has no use for it.
    latency : int
        Cycles from a request at the chip's port to its row, at least 1; see `weights.ExternalMemory`.
    host_latency : int
        Cycles from the last byte of a packet that asks for data to the first of the host's answer.
    """

    def __init__(self, config, bytes_per_cycle=None, latency=1, host_latency=0):
        self.config = config
        self._bytes_per_cycle = config.cols if bytes_per_cycle is None else bytes_per_cycle
        self._latency, self._host_latency = latency, host_latency

    def predict(self, code, address=0):
        """Runs a program.

        Parameters
        ----------
        code : bytes
            The instruction memory from address 0 on.
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
        config = self.config
        if config.compact:
            run = CompactModel(config)
            run.run(read_program(code, address))
            return Timing(run.halted, run.tags, run.activities, run.queues, run.retired)
        if config.weight_memory == "external":
            memory = ExternalMemory(config.cols, self._bytes_per_cycle, self._latency)
        else:
            memory = OnChipMemory()
        semaphores, transmitter = Semaphores(config), Transmitter()
        loader = TileLoader(config.rows, config.weight_fifo_tiles * config.rows)
        matrix = Matrix(config, loader)
        activities = {**matrix.activities, "vector_active": Activity(), "activation_active": Activity()}
        queues = {unit: UnitQueue(config.queue_depth, semaphores, unit, matrix.blocked if unit is Unit.MATRIX else None)
                  for unit in units(config)}
        tags = TagQueue(semaphores)
        dispatch = Dispatch(read_program(code, address), queues, tags, semaphores, transmitter)
        processes = [
            dispatch.run(), tags.run(), host_unit(config, queues[Unit.HOST], transmitter, self._host_latency),
            weight_unit(queues[Unit.WEIGHT], memory, loader), matrix.run(queues[Unit.MATRIX]),
            activation_unit(config, queues[Unit.ACTIVATION], activities["activation_active"])]
        if config.has_vector:
            processes.append(vector_unit(config, queues[Unit.VECTOR], activities["vector_active"]))

        before = None
        while dispatch.halted is None:
            for process in processes:
                next(process, None)
            progress = sum(queue.progress for queue in queues.values()) + len(tags.snapshots) + loader.progress
            if progress == before and dispatch.halted is None:
                raise CycleModelError(f"the program at instruction {address} never halts: its units wait in a circle")
            before = progress
        return Timing(dispatch.halted, tags, activities, queues, semaphores.retired)
