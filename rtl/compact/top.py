"""The insides of a compact chip, wired together."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..host_port import HostPort
from ..isa import Unit
from ..packets import State
from ..waits import units
from .activation import CompactActivationUnit
from .counters import CompactCounters
from .matrix import CompactMatrixUnit
from .memory import CompactMemory
from .row_activation import CompactRowActivation
from .sequencer import CompactSequencer
from .weights import CompactWeightUnit

__all__ = ["CompactTpu"]


class CompactTpu(wiring.Component):
    """What `Tpu` is for a `Config` with `compact`: the same instructions, packets and results in less hardware.

    Parameters
    ----------
    config : Config

    Members
    -------
    rx : In(stream of bytes), tx : Out(stream of bytes)
    """

    def __init__(self, config):
        self._config = config
        super().__init__({"rx": In(stream.Signature(unsigned(8))), "tx": Out(stream.Signature(unsigned(8)))})

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.host = host = HostPort(config)
        m.submodules.sequencer = sequencer = CompactSequencer(config)
        m.submodules.counters = counters = CompactCounters(config)
        m.submodules.memory = memory = CompactMemory(config)
        weights, matrix = CompactWeightUnit(config), CompactMatrixUnit(config)
        activation = (CompactRowActivation if config.requantises_rows else CompactActivationUnit)(config)
        m.submodules.weights = ResetInserter(sequencer.clear)(weights)
        m.submodules.matrix = ResetInserter(sequencer.clear)(matrix)
        m.submodules.activation = ResetInserter(sequencer.clear)(activation)
        by_unit = {Unit.HOST: host, Unit.WEIGHT: weights, Unit.MATRIX: matrix, Unit.ACTIVATION: activation}
        for port, unit in zip(sequencer.units, units(config), strict=True):
            wiring.connect(m, port, by_unit[unit].unit)

        wiring.connect(m, matrix.memory, memory.matrix)
        wiring.connect(m, weights.memory, memory.weights)
        wiring.connect(m, sequencer.fetch, memory.fetch)
        wiring.connect(m, activation.buffer, memory.write)
        wiring.connect(m, weights.tiles, matrix.weights)
        wiring.connect(m, weights.load, activation.load)
        wiring.connect(m, wiring.flipped(self.rx), host.rx)
        wiring.connect(m, host.tx, wiring.flipped(self.tx))
        wiring.connect(m, memory.host_data, host.host_data)
        wiring.connect(m, host.tags, counters.words)
        wiring.connect(m, sequencer.interrupt, host.interrupt)

        # A run begins when the counters are 0, and its end is told when they are complete.
        starting, settling = Signal(), Signal(2)
        with m.If(host.run):
            m.d.sync += starting.eq(1)
        with m.Elif(host.reset | counters.ends_round):
            m.d.sync += starting.eq(0)
        with m.If(sequencer.stopped):
            m.d.sync += settling.eq(2)
        with m.Elif(counters.ends_round & (settling != 0)):
            m.d.sync += settling.eq(settling - 1)
        m.d.comb += [
            sequencer.run.eq(starting & counters.ends_round),
            host.stopped.eq(counters.ends_round & (settling == 1)),
            host.status.state.eq(Mux(starting | sequencer.stopped | (settling != 0), State.RUNNING, sequencer.state)),
        ]
        # While the matrix unit runs, it does not wait for an instruction. What does wait is no Tag or Halt, so that a
        # cycle later is soon enough for the counters; of a run that ends otherwise the last such cycle is not counted.
        blocked_by = Signal.like(sequencer.blocked_by)
        m.d.sync += blocked_by.eq(Mux(sequencer.blocked[units(config).index(Unit.MATRIX)] & matrix.unit.issue.ready,
                                      sequencer.blocked_by, 0))
        m.d.comb += [
            memory.host_write.valid.eq(host.host_write.valid), host.host_write.ready.eq(memory.host_write.ready),
            memory.host_write.payload.address.eq(host.host_write.payload.address),
            memory.host_write.payload.data.eq(host.host_write.payload.data),
            memory.host_read.valid.eq(host.host_read.valid), host.host_read.ready.eq(memory.host_read.ready),
            memory.host_read.payload.eq(host.host_read.payload),
            memory.clear.eq(sequencer.clear),
            activation.write_slot.eq(memory.write_slot),
            activation.setting.eq(sequencer.setting), matrix.setting.eq(sequencer.setting),
            matrix.acc_row.eq(activation.acc_row), activation.acc_data.eq(matrix.acc_data),
            activation.acc_fresh.eq(matrix.acc_fresh),
            host.clear.eq(sequencer.clear),
            host.fresh.eq(counters.fresh),
            host.status.fault.eq(sequencer.fault),
            host.status.fault_pc.eq(sequencer.fault_pc),
            sequencer.load.eq(host.run),
            sequencer.run_address.eq(host.run_address),
            sequencer.reset.eq(host.reset),
            sequencer.ready.eq(counters.ready),
            counters.start.eq(host.run),
            counters.enable.eq(~sequencer.clear),
            counters.array_active.eq(matrix.array_active),
            counters.useful_macs.eq(matrix.useful_macs),
            counters.weight_stall.eq(matrix.weight_stall),
            counters.weight_shift.eq(matrix.weight_shift),
            counters.matrix_blocked_by.eq(blocked_by),
            counters.activation_active.eq(activation.unit.active),
            counters.snapshot.eq(sequencer.snapshot),
            counters.tag.eq(sequencer.tag),
        ]
        return m
