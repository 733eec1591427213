"""The matrix unit of a compact chip: executes Matrix_Multiply and Convolve, a vector every other cycle at most."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from ..accumulators import VectorControl
from ..array import SystolicArray, delay
from ..interfaces import UnitPort, field
from ..isa import CONFIG, TABLE, Fault, Opcode, Unit
from ..useful_macs import UsefulMacs
from ..waits import units
from .accumulators import CompactAccumulators
from .issue import SettingLayout
from .memory import READ_LATENCY, TimedRead

__all__ = ["CompactMatrixUnit"]


class CompactMatrixUnit(Component):
    """Address generator, systolic array and accumulators. The shadow registers of the array are its weight FIFO.

    Parameters
    ----------
    config : Config

    Members
    -------
    unit : Out(UnitPort())
        `issue.ready`: the vectors of the instruction before have been read.
    setting : In(SettingLayout)
    memory : Out(TimedRead(address_bits, 8 * rows))
    weights : In(stream of 8 * cols bits)
        As of `MatrixUnit`.
    acc_row, acc_data, acc_fresh
        See `CompactAccumulators`.
    array_active, useful_macs, weight_shift, weight_stall : Out(1)
        As of `MatrixUnit`; a cycle in which a vector only waits for its slot counts as none of them.

    Latency
    -------
    A vector is read two cycles after that of the issue or later, in a slot; one without vectors needs no slot.
    `retire_latency(config)` cycles from the last vector's read to `retire`.
    """

    @staticmethod
    def retire_latency(config):
        """Cycles from the read of an instruction's last vector to its `retire`."""
        return CompactMatrixUnit._control_latency(config) + CompactAccumulators.written(config) - 1

    @staticmethod
    def _control_latency(config):
        """Cycles from the read of a vector to the accumulators' control."""
        return READ_LATENCY + SystolicArray.latency(config) - CompactAccumulators.SUM_DELAY

    def __init__(self, config):
        self._config = config
        super().__init__({
            "unit": Out(UnitPort()), "setting": In(SettingLayout(config)),
            "memory": Out(TimedRead(config.address_bits, 8 * config.rows)),
            "weights": In(stream.Signature(unsigned(8 * config.cols))),
            "acc_row": In(range(config.accumulator_depth)), "acc_data": Out(32 * config.cols),
            "acc_fresh": Out(config.cols),
            "array_active": Out(1), "useful_macs": Out(1), "weight_shift": Out(1), "weight_stall": Out(1)})

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.array = array = SystolicArray(config)
        m.submodules.accumulators = accumulators = CompactAccumulators(config)
        m.submodules.useful = useful = UsefulMacs(config)
        m.d.comb += [accumulators.row.eq(self.acc_row), self.acc_data.eq(accumulators.data),
                     self.acc_fresh.eq(accumulators.fresh)]

        # The tile: `loaded` once the shadow registers hold all of it, as `MatrixUnit` has it.
        loaded, row_taken, tile_ready, switching = (
            Signal(name=name) for name in ("loaded", "row_taken", "tile_ready", "switching"))
        row = Signal(range(config.rows))
        last_row = row == config.rows - 1
        m.d.comb += [
            self.weights.ready.eq(~loaded), row_taken.eq(self.weights.valid & ~loaded),
            tile_ready.eq(loaded | (row_taken & last_row)),
            array.shift.eq(row_taken), array.weights.eq(self.weights.payload),
        ]
        with m.If(row_taken):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        m.d.sync += loaded.eq(tile_ready & ~switching)

        vector, address, acc_row, accumulate, switch, last, steady, empty, step = self._generator(m)
        waits = steady & switch & ~tile_ready
        fault, asks, served = Signal(Fault), Signal(), Signal()
        m.d.sync += fault.eq(Fault.NONE)
        with m.If(address > config.unified_buffer_bytes - config.rows):
            m.d.sync += fault.eq(Fault.UNIFIED_BUFFER_RANGE)
        with m.Elif(acc_row >= config.accumulator_depth):
            m.d.sync += fault.eq(Fault.ACCUMULATOR_RANGE)
        m.d.comb += [
            asks.eq(steady & vector & ~waits & self.memory.slot),
            served.eq(asks & (fault == Fault.NONE)),
            step.eq(served | empty),
            switching.eq(served & switch),
            self.memory.en.eq(served), self.memory.address.eq(address),
            self.unit.fault.eq(Mux(asks, fault, Fault.NONE)),
            self.unit.active.eq(step | row_taken),
            self.array_active.eq(served), self.weight_shift.eq(waits & row_taken),
            self.weight_stall.eq(waits & ~row_taken),
            useful.row_taken.eq(row_taken), useful.row.eq(self.weights.payload),
            useful.switching.eq(switching), useful.vector.eq(served),
            self.useful_macs.eq(useful.full),
        ]

        control = Signal(VectorControl(config.accumulator_depth))
        m.d.comb += [
            control.en.eq(served), control.address.eq(acc_row), control.accumulate.eq(accumulate),
            array.activations.eq(self.memory.data),
            array.switch.eq(delay(m, "switch_line", switching, READ_LATENCY)),
            accumulators.sums.eq(array.sums),
            Value.cast(accumulators.control).eq(
                delay(m, "control_line", Value.cast(control), self._control_latency(config))),
            self.unit.retire.eq(delay(m, "retire_line", step & last, self.retire_latency(config))),
        ]
        return m

    def _generator(self, m):
        """The loops of the running instruction and the registers of Set_Configuration.

        What is known of a vector, its range and which loops end with it, is registered: in the first cycle of each,
        which cannot be a slot but at the beginning, it is not `steady`.
        """
        config = self._config
        bits = config.address_bits
        registers = {r.name: Signal(min(r.width, bits) if "stride" in r.name else r.width, name=r.name)
                     for r in CONFIG[Unit.MATRIX]}
        with m.If(self.setting.en[units(config).index(Unit.MATRIX)]), m.Switch(self.setting.index):
            for register in CONFIG[Unit.MATRIX]:
                with m.Case(register.index):
                    m.d.sync += registers[register.name].eq(self.setting.value)

        running, vector, switch, accumulate, step = (
            Signal(name=name) for name in ("running", "vector", "switch", "accumulate", "step"))
        # Loops count down to 1; `x_count` and `y_count` are what they restart from.
        x_left, x_count, y_left, y_count = (
            Signal(14, name=name) for name in ("x_left", "x_count", "y_left", "y_count"))
        pass0_left, pass1_left = (Signal(16, name=name) for name in ("pass0_left", "pass1_left"))
        x_increment, address, y_address, pass0_address, pass1_address, following = (
            Signal(bits, name=name)
            for name in ("x_increment", "address", "y_address", "pass0_address", "pass1_address", "following"))
        row_start, row = Signal(14), Signal(15)
        x_last, y_last, pass0_last, last = (Signal(name=name) for name in ("x_last", "y_last", "pass0_last", "last"))
        ends, steady, empty = Signal(4), Signal(), Signal()
        m.d.comb += ends.eq(Cat(x_left == 1, y_left == 1, pass0_left == 1, pass1_left == 1))
        m.d.sync += [Cat(x_last, y_last, pass0_last, last).eq(Cat(ends[:n + 1].all() for n in range(4))),
                     steady.eq(running & ~step)]
        m.d.comb += empty.eq(running & ~vector)

        # Where the innermost loop that goes on continues; all loops within it restart there.
        base, stride = Signal(bits), Signal(bits)
        with m.If(pass0_last):
            m.d.comb += [base.eq(pass1_address), stride.eq(registers["pass1_stride"])]
        with m.Elif(y_last):
            m.d.comb += [base.eq(pass0_address), stride.eq(registers["pass0_stride"])]
        with m.Elif(x_last):
            m.d.comb += [base.eq(y_address), stride.eq(registers["y_stride"])]
        with m.Else():
            m.d.comb += [base.eq(address), stride.eq(x_increment)]

        issue = self.unit.issue
        word = issue.payload.word
        multiply, convolve = ({f.name: field(word, opcode, f.name) for f in TABLE[opcode].fields}
                              for opcode in (Opcode.MATRIX_MULTIPLY, Opcode.CONVOLVE))
        take, convolves = Signal(), Signal()
        m.d.comb += [
            issue.ready.eq(~running), take.eq(issue.valid & ~running),
            convolves.eq(field(word, Opcode.CONVOLVE, "opcode") == Opcode.CONVOLVE),
            following.eq(Mux(take, convolve["ub_address"], base + stride)),
        ]
        with m.If(take | step):
            m.d.sync += address.eq(following)
        with m.If(take | (step & x_last)):
            m.d.sync += y_address.eq(following)
        with m.If(take | (step & y_last)):
            m.d.sync += pass0_address.eq(following)
        with m.If(take | (step & pass0_last)):
            m.d.sync += pass1_address.eq(following)

        with m.If(step):
            m.d.sync += [x_left.eq(Mux(x_last, x_count, x_left - 1)), row.eq(row + 1), switch.eq(0),
                         running.eq(vector & ~last)]
            with m.If(x_last):
                m.d.sync += y_left.eq(Mux(y_last, y_count, y_left - 1))
            with m.If(y_last):
                m.d.sync += [pass0_left.eq(Mux(pass0_last, registers["pass0_count"], pass0_left - 1)),
                             row.eq(row_start), accumulate.eq(1), switch.eq(1)]
            with m.If(pass0_last):
                m.d.sync += pass1_left.eq(pass1_left - 1)
        # The fields that both instructions have are in the same places.
        with m.If(take):
            m.d.sync += [
                running.eq(1), self.unit.fault_pc.eq(issue.payload.pc),
                row_start.eq(convolve["acc_address"]), row.eq(convolve["acc_address"]),
                x_left.eq(convolve["x_count"]), x_count.eq(convolve["x_count"]),
            ]
            with m.If(convolves):
                counts = (convolve["x_count"], convolve["y_count"], registers["pass0_count"], registers["pass1_count"])
                m.d.sync += [
                    vector.eq(Cat(count.any() for count in counts).all()), switch.eq(1),
                    accumulate.eq(convolve["accumulate"]), x_increment.eq(registers["x_stride"]),
                    y_left.eq(convolve["y_count"]), y_count.eq(convolve["y_count"]),
                    pass0_left.eq(registers["pass0_count"]), pass1_left.eq(registers["pass1_count"]),
                ]
            with m.Else():
                m.d.sync += [
                    vector.eq(multiply["length"].any()), switch.eq(multiply["switch"]),
                    accumulate.eq(multiply["accumulate"]), x_increment.eq(multiply["stride"]),
                    y_left.eq(1), pass0_left.eq(1), pass1_left.eq(1),
                ]
        return vector, address, row, accumulate, switch & vector, last | ~vector, steady, empty, step
