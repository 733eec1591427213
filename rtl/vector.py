"""The vector unit: depthwise convolution, pooling and element-wise arithmetic on the unified buffer."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from .config import ADDRESS_BITS
from .delay import delayed
from .interfaces import BUFFER_READ_LATENCY, BufferRead, BufferWrite, IssueLayout, LoadBus, UnitPort, field
from .isa import CONFIG, SINK, Destination, Fault, Function, Opcode, Unit
from .parameters import PLANES, ParameterStore
from .requantise import RequantiseLane
from .stamp import place
from .stream_register import StreamRegister
from .vector_address import SettingsLayout, StepLayout, VectorAddress
from .vector_element_lane import ElementLane
from .vector_tap_lane import TapLane
from .vector_weights import DepthwiseWeights
from .vector_window import VectorWindow

__all__ = ["VectorUnit", "write_delay"]

_REGISTERS = {r.name: r for r in CONFIG[Unit.VECTOR]}

#: Registers from this one on act on data in flight; those before it only on the address generator.
_FIRST_LATE = _REGISTERS["zero_point"].index


def _hold_delay(config):
    """Cycles from the last read of a step (its `en`) to its reduced values."""
    return BUFFER_READ_LATENCY + TapLane.reduce_delay(config.vector_taps) + 1


def _requantise_delay(config):
    """Cycles from the last read of a step to its first beat at the requantise lanes."""
    return _hold_delay(config) + 1 + ElementLane.LATENCY


def write_delay(config):
    """Cycles from the last read of a step (its `en`) to the write of its output."""
    return _requantise_delay(config) + RequantiseLane.LATENCY + config.vector_beats


def _dsp(config):
    """Whether the products before requantisation are DSPs."""
    return config.vector_multiplier == "dsp"


class VectorUnit(wiring.Component):
    """Executes Vector and the vector unit's Set_Configuration.

    A pipeline without back-pressure: `VectorAddress` reads one vector a cycle, `cols` TapLanes reduce the reads of a
    step, then vector_lanes ElementLanes and RequantiseLanes take `vector_beats` cycles to turn the step into one write.
    What an instruction owns travels with its reads, so the next one may start behind it. Configuration registers that
    the lanes use are written when nothing is in flight; the others as soon as all reads are made.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit : Out(UnitPort())
    buffer_read : Out(BufferRead(cols))
    buffer_write : Out(BufferWrite(cols))
    load : In(LoadBus(config))

    Latency
    -------
    A step of x takes max(reads, vector_beats) cycles. Its output is written `write_delay(config)` cycles after its
    last read. An instruction retires one cycle after the write of its last step, or after as long if it does
    nothing. Three cycles without a read lie between two instructions.

    Errors
    ------
    UNIFIED_BUFFER_RANGE, once all writes before the bad address are made.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({"unit": Out(UnitPort()), "buffer_read": Out(BufferRead(config.cols)),
                          "buffer_write": Out(BufferWrite(config.cols)), "load": In(LoadBus(config))})

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.address = address = VectorAddress(config)
        m.d.comb += [self.buffer_read.en.eq(address.step.read), self.buffer_read.address.eq(address.read_address)]

        # steps[i] is the control of the read that was made i cycles ago.
        retire = write_delay(config) + 1
        steps = [address.step] + [Signal(StepLayout(config), name=f"step_{i}") for i in range(1, retire + 1)]
        m.d.sync += [after.eq(before) for before, after in pairwise(steps)]

        in_flight = Signal(range(retire + 2))
        with m.If(address.running):
            m.d.sync += in_flight.eq(retire + 1)
        with m.Elif(in_flight != 0):
            m.d.sync += in_flight.eq(in_flight - 1)
        m.d.comb += [
            self.unit.active.eq(address.running | (in_flight != 0)),
            self.unit.retire.eq(steps[retire].retire),
            # After a fault nothing enters the pipeline any more, and this happens once.
            self.unit.fault.eq(Mux(address.fault & (in_flight == 1), Fault.UNIFIED_BUFFER_RANGE, Fault.NONE)),
            self.unit.fault_pc.eq(address.fault_pc),
        ]

        # A register more than in the activation unit: the same in both would be merged, and the units lie far apart.
        # Only the first rows have numbers that matter.
        load, arriving = LoadBus(config).create(path=("registered_load",)), self.load
        m.d.comb += [port.eq(delayed(m, value, 1)) for port, value in (
            (load.valid, arriving.valid & (arriving.destination == Destination.VECTOR)),
            (load.index, Mux(arriving.index < PLANES, arriving.index, PLANES)[:PLANES.bit_length()]),
            (load.slot, arriving.slot), (load.data, arriving.data))]
        m.d.comb += load.destination.eq(Destination.VECTOR)
        # A register on the way to the lanes, where nothing is when they change.
        settings = data.View(SettingsLayout(), delayed(m, self._issue(m, address, in_flight == 0).as_value(), 1))
        values = self._reduce(m, platform, steps, load)
        results = self._requantise(m, platform, steps, settings, values, load)
        self._write(m, address, steps, results)
        return m

    def _issue(self, m, address, drained):
        """Passes Vector on to the address generator, executes Set_Configuration; returns the registers."""
        settings = Signal(SettingsLayout())
        m.submodules.register = waiting = StreamRegister(IssueLayout())
        wiring.connect(m, wiring.flipped(self.unit.issue), waiting.arriving)
        issue, arriving = waiting.kept, waiting.arriving.payload.word
        # What it is, is known when it arrives: much moves when the address generator takes it.
        is_vector, late, written = Signal(), Signal(), Signal()
        with m.If(waiting.arriving.ready):
            indices = [field(arriving, Opcode.SET_CONFIGURATION, f"index{i}") for i in range(2)]
            m.d.sync += [is_vector.eq(field(arriving, Opcode.VECTOR, "opcode") == Opcode.VECTOR),
                         late.eq(Cat((index >= _FIRST_LATE) & (index != SINK) for index in indices).any())]
        m.d.comb += [
            address.settings.eq(settings),
            address.issue.payload.eq(issue.payload),
            address.issue.valid.eq(issue.valid & is_vector),
            issue.ready.eq(address.issue.ready & (is_vector | ~late | drained)),
        ]
        # In the cycle after `ready`, when the register still holds the instruction and none is begun.
        m.d.sync += written.eq(issue.valid & issue.ready & ~is_vector)
        kept = [{name: field(issue.payload.word, Opcode.SET_CONFIGURATION, f"{name}{i}") for name in ("index", "value")}
                for i in range(2)]
        targets = [delayed(m, Cat(of["index"] == register.index for register in _REGISTERS.values()), 1) for of in kept]
        with m.If(written):
            for of, target in zip(kept, targets, strict=True):
                for is_target, register in zip(target, _REGISTERS.values(), strict=True):
                    with m.If(is_target):
                        m.d.sync += settings[register.name].eq(of["value"])
        return settings

    def _reduce(self, m, platform, steps, load):
        """Window, weights and a TapLane a column; returns the reduced values, 32 bits a column."""
        config = self._config
        m.submodules.weights = weights = DepthwiseWeights(config)
        m.submodules.window = window = VectorWindow(config)
        read = steps[BUFFER_READ_LATENCY]
        control = steps[BUFFER_READ_LATENCY + TapLane.control_delay(config.vector_taps)]
        # One bit for all lanes.
        weighted = ~delayed(m, steps[BUFFER_READ_LATENCY - 1].function != Function.DEPTHWISE, 1)
        wiring.connect(m, load, weights.load)
        m.d.comb += [
            weights.slot.eq(steps[BUFFER_READ_LATENCY - DepthwiseWeights.LATENCY].slot),
            weights.kernel_row.eq(steps[BUFFER_READ_LATENCY - DepthwiseWeights.LATENCY].kernel_row),
            window.kernel_row.eq(steps[BUFFER_READ_LATENCY - VectorWindow.LATENCY].kernel_row),
            window.en.eq(read.read),
            window.vector.eq(self.buffer_read.data),
        ]
        # One slice a byte: a slice of a slice of a wide signal is slow to elaborate.
        window_bytes, weight_bytes = window.window.as_value(), weights.weights.as_value()
        values = []
        for c in range(config.cols):
            places = [k * config.cols + c for k in range(config.vector_taps)]
            lane = place(m, f"tap_lane_{c}", TapLane(config.vector_taps, _dsp(config)), platform,
                         window=Cat(window_bytes.word_select(i, 8) for i in places),
                         weights=Cat(weight_bytes.word_select(i, 8) for i in places), weighted=weighted,
                         en=control.read, first=control.first, function=control.function)
            values.append(lane.value)
        return Cat(values)

    def _requantise(self, m, platform, steps, settings, values, load):
        """The beats of a step through the lanes; returns the results of a beat, 8 bits a lane."""
        config = self._config
        lanes = config.vector_lanes
        held, function = Signal(32 * config.cols, reset_less=True), Signal(3, reset_less=True)
        step = steps[_hold_delay(config)]
        with m.If(step.last):
            m.d.sync += [held.eq(values), function.eq(step.function)]
        with m.Else():  # what the last beat takes stays where it is
            m.d.sync += held[:-32 * lanes].eq(held[32 * lanes:])

        bias, multiplier, shift, zero_point = self._parameters(m, steps, settings, load)
        operands = {f"{name}_{of}": settings[f"{name}_{of}"][:bits]
                    for of in "ab" for name, bits in (("zero_point", 8), ("multiplier", 31), ("shift", 7))}
        results = []
        for i in range(lanes):
            element = place(m, f"element_lane_{i}", ElementLane(_dsp(config)), platform,
                            value=held.word_select(i, 32), function=function, **operands)
            lane = place(m, f"requantise_lane_{i}", RequantiseLane(config.vector_requantise_dsps), platform,
                         accumulator=element.accumulator, bias=bias[i], multiplier=multiplier[i], shift=shift[i],
                         zero_point=zero_point, minimum=settings.minimum, maximum=settings.maximum)
            results.append(lane.result)
        return Cat(results)

    def _parameters(self, m, steps, settings, load):
        """Parameters of each requantise lane for the beat that reaches it, and the zero point."""
        config = self._config
        m.submodules.parameters = store = ParameterStore(config, Destination.VECTOR, config.vector_lanes)
        wiring.connect(m, load, store.load)

        # Asked for so early that after one cycle of choosing they meet the beat behind the element lanes.
        beat, slot, function = Signal(range(config.vector_beats)), Signal(3), Signal(3)
        step = steps[_requantise_delay(config) - ParameterStore.LATENCY - 2]
        m.d.sync += beat.eq(beat + 1)
        with m.If(step.last):
            m.d.sync += [beat.eq(0), slot.eq(step.slot), function.eq(step.function)]
        m.d.comb += [store.slot.eq(slot), store.beat.eq(beat)]

        lanes = config.vector_lanes
        bias, multiplier, shift = (Signal.like(port, name=name, reset_less=True) for name, port in (
            ("bias", store.bias), ("multiplier", store.multiplier), ("shift", store.shift)))
        zero_point = Signal(signed(8), reset_less=True)
        m.d.sync += [bias.eq(0), zero_point.eq(settings.zero_point)]
        # One bit each, for all bits of all lanes.
        ahead = delayed(m, function, ParameterStore.LATENCY - 1)
        stored, identity = (Cat(ahead == f for f in functions).any() for functions in (
            (Function.DEPTHWISE, Function.SUM, Function.AVERAGE), (Function.MAXIMUM,)))
        plain, identity = delayed(m, ~stored, 1), delayed(m, identity, 1)
        with m.If(~plain):
            m.d.sync += [bias.eq(store.bias), multiplier.eq(store.multiplier), shift.eq(store.shift)]
        with m.Elif(identity):
            m.d.sync += [multiplier.eq(Const(1 << 30, 31).replicate(lanes)), shift.eq(Const(1, 7).replicate(lanes)),
                         zero_point.eq(0)]
        with m.Else():
            m.d.sync += [multiplier.eq(settings.multiplier_out[:31].replicate(lanes)),
                         shift.eq(settings.shift_out[:7].replicate(lanes))]
        return bias, multiplier, shift, zero_point

    def _write(self, m, address, steps, results):
        """Collects the beats of an output and writes it where the address generator said."""
        config = self._config
        collected = Signal(8 * config.cols, reset_less=True)
        m.d.sync += collected.eq(Cat(collected[8 * config.vector_lanes:], results))

        target_layout = data.StructLayout({"address": ADDRESS_BITS, "columns": range(config.cols + 1)})
        m.submodules.targets = targets = fifo.SyncFIFOBuffered(
            width=target_layout.size, depth=write_delay(config) // config.vector_beats + 2)
        target = data.View(target_layout, targets.r_data)
        m.d.comb += [
            targets.w_en.eq(address.step.output),
            targets.w_data.eq(Cat(address.write_address, address.columns)),
            targets.r_en.eq(self.buffer_write.en),
            self.buffer_write.en.eq(steps[write_delay(config)].output),
            self.buffer_write.address.eq(target.address),
            self.buffer_write.count.eq(target.columns),
            self.buffer_write.data.eq(collected),
        ]
