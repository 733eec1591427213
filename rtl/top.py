"""The chip: host port, sequencer, units and memories, wired together."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .activation import ActivationUnit
from .buffer import UnifiedBuffer
from .compact.top import CompactTpu
from .counters import Counters
from .external_weights import ExternalWeights
from .host_port import HostPort
from .interfaces import MemoryWrite
from .isa import Unit
from .matrix import MatrixUnit
from .packets import COUNTERS
from .sequencer import Sequencer
from .stamp import place_unit
from .vector import VectorUnit
from .waits import units
from .weight_memory import WeightMemory
from .weights import WeightUnit

__all__ = ["Tpu"]

WEIGHT_ADDRESS_BITS = 28
#: Columns from which on the units are converted to Verilog each by a process of its own, as it takes seconds.
WIDE = 64


class Tpu(wiring.Component):
    """A Tensor Processing Unit behind two byte streams.

    Parameters
    ----------
    config : Config

    Members
    -------
    rx : In(stream of bytes)
        Packets from the host.
    tx : Out(stream of bytes)
        Packets to the host.
    weight_request : Out(stream of 28 bits)
        Rows of the weight memory to read. This and the next two are there when `weight_memory` is "external".
    weight_response : In(stream of 8 * cols bits)
        What they hold, in order, after any time.
    weight_write : Out(MemoryWrite(28, 8 * cols))
        Rows from the host. It never waits.

    Source
    ------
    The block diagram of Jouppi et al., ISCA 2017, Figure 1.
    """

    def __init__(self, config):
        self._config = config
        row = unsigned(8 * config.cols)
        members = {"rx": In(stream.Signature(unsigned(8))), "tx": Out(stream.Signature(unsigned(8)))}
        if config.weight_memory == "external":
            members |= {
                "weight_request": Out(stream.Signature(unsigned(WEIGHT_ADDRESS_BITS))),
                "weight_response": In(stream.Signature(row)),
                "weight_write": Out(MemoryWrite(WEIGHT_ADDRESS_BITS, row.width)),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        if config.compact:
            m.submodules.compact = compact = CompactTpu(config)
            wiring.connect(m, wiring.flipped(self.rx), compact.rx)
            wiring.connect(m, compact.tx, wiring.flipped(self.tx))
            return m
        m.submodules.host = host = HostPort(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.counters = counters = Counters(config)

        def add(name, component, clear=None):
            return place_unit(m, name, component, platform if config.cols >= WIDE else None, clear)

        buffer = add("buffer", UnifiedBuffer(config))

        # Between programs the units are in reset; the memories and the host port's packets are not.
        weights = add("weights", WeightUnit(config), sequencer.clear)
        matrix = add("matrix", MatrixUnit(config), sequencer.clear)
        activation = add("activation", ActivationUnit(config), sequencer.clear)
        by_unit = {Unit.HOST: host, Unit.WEIGHT: weights, Unit.MATRIX: matrix, Unit.ACTIVATION: activation}
        loaded = [activation.load]
        if config.has_vector:
            by_unit[Unit.VECTOR] = vector = add("vector", VectorUnit(config), sequencer.clear)
            loaded.append(vector.load)
            wiring.connect(m, vector.buffer_read, buffer.vector_read)
            wiring.connect(m, vector.buffer_write, buffer.vector_write)
            m.d.comb += counters.vector_active.eq(vector.unit.active)
        for port, unit in zip(sequencer.units, units(config), strict=True):
            wiring.connect(m, port, by_unit[unit].unit)

        wiring.connect(m, matrix.buffer, buffer.matrix_read)
        wiring.connect(m, activation.buffer, buffer.activation_write)
        wiring.connect(m, activation.acc_read, matrix.acc_read)
        wiring.connect(m, weights.tiles, matrix.weights)
        wiring.connect(m, weights.load, *loaded)
        if config.weight_memory == "sram":
            m.submodules.weight_memory = weight_memory = WeightMemory(config)
            wiring.connect(m, weights.memory, weight_memory.read)
            wiring.connect(m, host.weights, weight_memory.write)
        else:
            m.submodules.external_weights = external = ExternalWeights(WEIGHT_ADDRESS_BITS, 8 * config.cols)
            m.d.comb += external.clear.eq(sequencer.clear)
            wiring.connect(m, weights.request, external.unit_request)
            wiring.connect(m, external.unit_response, weights.response)
            wiring.connect(m, external.request, wiring.flipped(self.weight_request))
            wiring.connect(m, wiring.flipped(self.weight_response), external.response)
            wiring.connect(m, host.weights, wiring.flipped(self.weight_write))

        wiring.connect(m, wiring.flipped(self.rx), host.rx)
        wiring.connect(m, host.tx, wiring.flipped(self.tx))
        wiring.connect(m, host.host_write, buffer.host_write)
        wiring.connect(m, host.host_read, buffer.host_read)
        wiring.connect(m, buffer.host_data, host.host_data)
        wiring.connect(m, host.instructions, sequencer.program)
        wiring.connect(m, host.tags, counters.tags)
        wiring.connect(m, sequencer.interrupt, host.interrupt)
        m.d.comb += [
            host.clear.eq(sequencer.clear),
            host.stopped.eq(sequencer.stopped),
            host.status.state.eq(sequencer.state),
            host.status.fault.eq(sequencer.fault),
            host.status.fault_pc.eq(sequencer.fault_pc),
            *(host.status[name].eq(counters.values[name]) for name in COUNTERS),
            sequencer.run.eq(host.run),
            sequencer.run_address.eq(host.run_address),
            sequencer.reset.eq(host.reset),
            counters.clear.eq(host.run),
            counters.enable.eq(sequencer.counts),
            counters.array_active.eq(matrix.array_active),
            counters.useful_macs.eq(matrix.useful_macs),
            counters.weight_stall.eq(matrix.weight_stall),
            counters.weight_shift.eq(matrix.weight_shift),
            counters.matrix_blocked_by.eq(sequencer.blocked_by[Unit.MATRIX - 1]),
            counters.activation_active.eq(activation.unit.active),
            counters.snapshot.eq(sequencer.snapshot),
            counters.tag.eq(sequencer.tag),
        ]
        return m
