"""The instruction set: one table from which encoder, decoder, assembler and documentation are made.

An instruction is 128 bits wide, little endian. Its head is common: opcode and two waits. A wait names a unit's
semaphore and a count; the instruction starts only when that unit has retired at least `count` work instructions since
Run (modulo 2**16: the difference must stay below 2**15). Work instructions are those with `work` set in the table.

Each instruction goes to the in-order queue of its unit; units overlap. `Set_Configuration` travels through the queue of
the unit it configures, so it takes effect between the instructions around it.

Source of the set: Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing Unit", ISCA 2017,
section 2; Vector and the loop nests are ours.
"""

import enum
from dataclasses import dataclass

from .config import ADDRESS_BITS

__all__ = [
    "AVERAGE_FRACTION",
    "CONFIG",
    "FIELDS_HEAD",
    "INSTRUCTION_BITS",
    "INSTRUCTION_BYTES",
    "SEMAPHORE_BITS",
    "SINK",
    "TABLE",
    "ConfigRegister",
    "Destination",
    "Fault",
    "Field",
    "Function",
    "Instruction",
    "Opcode",
    "Unit",
]

INSTRUCTION_BITS = 128
INSTRUCTION_BYTES = INSTRUCTION_BITS // 8
SEMAPHORE_BITS = 16


class Unit(enum.IntEnum):
    """The units with a queue and a semaphore; NONE is the sequencer itself."""
    NONE = 0
    HOST = 1
    WEIGHT = 2
    MATRIX = 3
    ACTIVATION = 4
    VECTOR = 5


class Opcode(enum.IntEnum):
    """Numbers of the instructions; those that are missing are illegal."""
    NOP = 0
    READ_HOST_MEMORY = 1
    WRITE_HOST_MEMORY = 2
    READ_WEIGHTS = 3
    MATRIX_MULTIPLY = 4
    CONVOLVE = 5
    ACTIVATE = 6
    VECTOR = 7
    SYNCHRONISE = 8
    INTERRUPT = 9
    TAG = 10
    SET_CONFIGURATION = 11
    HALT = 12


class Destination(enum.IntEnum):
    """Where Read_Weights delivers its rows."""
    ARRAY = 0
    ACTIVATION = 1
    VECTOR = 2
    TABLE = 3


class Function(enum.IntEnum):
    """What the vector unit computes; see `docs/architecture.md` for each one's arithmetic."""
    DEPTHWISE = 0
    MAXIMUM = 1
    SUM = 2
    ADD = 3
    SUBTRACT = 4
    MULTIPLY = 5
    AVERAGE = 6


#: AVERAGE requantises its sum times 2**AVERAGE_FRACTION, so that rounding twice cannot lose an exact half.
AVERAGE_FRACTION = 8


class Fault(enum.IntEnum):
    """Why the chip stopped by itself."""
    NONE = 0
    ILLEGAL_INSTRUCTION = 1
    UNIFIED_BUFFER_RANGE = 2
    ACCUMULATOR_RANGE = 3
    WEIGHT_MEMORY_RANGE = 4
    PROGRAM_END = 5
    DEADLOCK = 6


@dataclass(frozen=True)
class Field:
    """One field of an instruction: `width` bits, unsigned, packed in the table's order from bit 0 up."""
    name: str
    width: int
    doc: str


@dataclass(frozen=True)
class Instruction:
    """One row of the table. `unit` is None where the field `unit` names it. `work`: counts in the semaphore."""
    name: str
    opcode: Opcode
    unit: Unit | None
    work: bool
    fields: tuple
    doc: str

    def layout(self):
        """Mapping from field name to (offset, width), head included."""
        places, offset = {}, 0
        for f in (*FIELDS_HEAD, *self.fields):
            places[f.name] = (offset, f.width)
            offset += f.width
        assert offset <= INSTRUCTION_BITS, (self.name, offset)
        return places


@dataclass(frozen=True)
class ConfigRegister:
    """One register that Set_Configuration writes: 32 bits in the instruction, `width` bits used, signed or not."""
    index: int
    name: str
    width: int
    signed: bool
    doc: str


FIELDS_HEAD = (
    Field("opcode", 5, "which instruction"),
    Field("wait0_unit", 3, "unit whose semaphore the first wait reads; 0: no wait"),
    Field("wait0_count", SEMAPHORE_BITS, "work instructions that it must have retired"),
    Field("wait1_unit", 3, "the same for the second wait"),
    Field("wait1_count", SEMAPHORE_BITS, "the same for the second wait"),
)

_UB = ADDRESS_BITS
_HOST = (Field("host_address", 32, "byte address in the host's memory"),
         Field("ub_address", _UB, "byte address in the unified buffer"),
         Field("length", 24, "bytes; 0 does nothing"))

TABLE = {i.opcode: i for i in (
    Instruction("Nop", Opcode.NOP, Unit.NONE, False, (), "Does nothing."),
    Instruction("Read_Host_Memory", Opcode.READ_HOST_MEMORY, Unit.HOST, True, _HOST,
                "Asks the host for bytes and stores them in the unified buffer."),
    Instruction("Write_Host_Memory", Opcode.WRITE_HOST_MEMORY, Unit.HOST, True, _HOST,
                "Sends bytes of the unified buffer to the host."),
    Instruction("Read_Weights", Opcode.READ_WEIGHTS, Unit.WEIGHT, True, (
        Field("destination", 2, "0 array (weight FIFO), 1 activation and 2 vector parameters, 3 function table"),
        Field("slot", 3, "parameter slot for destinations 1 and 2"),
        Field("address", 28, "first row in the weight memory"),
        Field("count", 20, "rows; 0 does nothing")),
        "Reads rows of the weight memory and delivers them in order."),
    Instruction("Matrix_Multiply", Opcode.MATRIX_MULTIPLY, Unit.MATRIX, True, (
        Field("ub_address", _UB, "first vector"),
        Field("acc_address", 14, "first accumulator row"),
        Field("length", 14, "vectors; 0 does nothing"),
        Field("stride", _UB, "bytes from one vector to the next"),
        Field("accumulate", 1, "1: add to the accumulators, 0: overwrite"),
        Field("switch", 1, "1: take the next weight tile first, 0: keep the weights")),
        "Multiplies vectors by the weight tile in the array."),
    Instruction("Convolve", Opcode.CONVOLVE, Unit.MATRIX, True, (
        Field("ub_address", _UB, "first byte of the first vector"),
        Field("acc_address", 14, "first accumulator row"),
        Field("x_count", 14, "output columns; 0 does nothing"),
        Field("y_count", 14, "output rows; 0 does nothing"),
        Field("accumulate", 1, "1: the first pass adds, 0: it overwrites; later passes always add")),
        "For each pass takes the next weight tile and multiplies the vectors of a two-dimensional loop by it."),
    Instruction("Activate", Opcode.ACTIVATE, Unit.ACTIVATION, True, (
        Field("acc_address", 14, "first accumulator row"),
        Field("ub_address", _UB, "where the first output row goes"),
        Field("x_count", 14, "outputs along x; 0 does nothing"),
        Field("y_count", 14, "outputs along y; 0 does nothing"),
        Field("slot", 3, "parameter slot"),
        Field("table", 1, "1: pass results through the function table"),
        Field("columns", 11, "leading columns that are written, 1 to cols")),
        "Requantises accumulator rows and stores them in the unified buffer."),
    Instruction("Vector", Opcode.VECTOR, Unit.VECTOR, True, (
        Field("function", 3, "0 depthwise, 1 maximum, 2 sum, 3 add, 4 subtract, 5 multiply, 6 average"),
        Field("in_address", _UB, "first input vector"),
        Field("out_address", _UB, "first output vector"),
        Field("y_count", 14, "steps of the outer loop; 0 does nothing"),
        Field("slot", 3, "parameter slot (depthwise, sum)"),
        Field("columns", 11, "leading lanes that are written, 1 to cols")),
        "Depthwise convolution, pooling and element-wise arithmetic from unified buffer to unified buffer."),
    Instruction("Synchronise", Opcode.SYNCHRONISE, None, False, (
        Field("unit", 3, "whose queue waits; 0: the sequencer, so that nothing after it is dispatched before"),),
        "Waits for its semaphores and does nothing else."),
    Instruction("Interrupt", Opcode.INTERRUPT, Unit.NONE, False, (
        Field("code", 16, "sent to the host"),), "Sends a packet to the host when it is dispatched."),
    Instruction("Tag", Opcode.TAG, None, False, (
        Field("unit", 3, "unit whose work the tag closes, 1 to 5"),
        Field("tag", 12, "snapshot to write, below tag_depth")),
        "Records the counters once the unit has retired all work dispatched to it before the tag; does not wait."),
    Instruction("Set_Configuration", Opcode.SET_CONFIGURATION, None, False, (
        Field("unit", 3, "matrix, activation or vector"),
        Field("index0", 5, "first register"),
        Field("value0", 32, "its value"),
        Field("index1", 5, "second register; written after the first"),
        Field("value1", 32, "its value")),
        "Writes two configuration registers of a unit, in order with the unit's instructions."),
    Instruction("Halt", Opcode.HALT, Unit.NONE, False, (),
                "Waits until every unit has retired all its work, then stops."),
)}

_S = ADDRESS_BITS

#: Configuration registers of each unit. Index 31 is a sink in all of them.
CONFIG = {
    Unit.MATRIX: tuple(ConfigRegister(i, *r) for i, r in enumerate((
        ("x_stride", _S, False, "bytes from one output column's vector to the next"),
        ("y_stride", _S, False, "bytes from one output row's first vector to the next"),
        ("pass0_count", 16, False, "passes of the inner pass loop"),
        ("pass0_stride", _S, False, "bytes between them"),
        ("pass1_count", 16, False, "passes of the outer pass loop"),
        ("pass1_stride", _S, False, "bytes between them")))),
    Unit.ACTIVATION: tuple(ConfigRegister(i, *r) for i, r in enumerate((
        ("x_stride", _S, False, "bytes from one output along x to the next"),
        ("y_stride", _S, False, "bytes from one output along y to the next"),
        ("zero_point", 8, True, "added after requantisation"),
        ("minimum", 8, True, "lower clamp"),
        ("maximum", 8, True, "upper clamp")))),
    Unit.VECTOR: tuple(ConfigRegister(i, *r) for i, r in enumerate((
        ("y_stride", _S, False, "input bytes between steps of the outer loop"),
        ("x_count", 14, False, "steps of the inner loop"),
        ("x_stride", _S, False, "input bytes between them"),
        ("tap1_count", 14, False, "outer tap loop (depthwise: along the kernel's other axis)"),
        ("tap1_stride", _S, False, "input bytes between them"),
        ("tap0_count", 14, False, "inner tap loop (depthwise: along the kernel; element-wise: 2, the operands)"),
        ("tap0_stride", _S, False, "input bytes between them"),
        ("out_y_stride", _S, False, "output bytes between steps of the outer loop"),
        ("out_x_stride", _S, False, "output bytes between outputs along x"),
        ("first_column", 14, False, "depthwise: step at which the first output is complete"),
        ("column_step", 14, False, "depthwise: steps from one output to the next, at least 1"),
        ("zero_point", 8, True, "added after requantisation"),
        ("minimum", 8, True, "lower clamp"),
        ("maximum", 8, True, "upper clamp"),
        ("zero_point_a", 8, True, "element-wise: zero point of the first operand"),
        ("zero_point_b", 8, True, "element-wise: zero point of the second operand"),
        ("multiplier_a", 32, True, "add, subtract: rescaling of the first operand"),
        ("shift_a", 8, True, "its shift, -31 to 0; positive ones act as 0"),
        ("multiplier_b", 32, True, "add, subtract: rescaling of the second operand"),
        ("shift_b", 8, True, "its shift, alike"),
        ("multiplier_out", 32, True, "element-wise: rescaling of the result"),
        ("shift_out", 8, True, "its shift, -31 to 30")))),
}

#: Index of the register that Set_Configuration writes to no effect, in every unit.
SINK = 31
