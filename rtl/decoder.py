"""What the sequencer wants to know about an instruction: is it legal, and whose is it?"""

from functools import reduce
from operator import and_, or_

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .isa import CONFIG, INSTRUCTION_BITS, SINK, TABLE, Destination, Function, Opcode, Unit
from .waits import units

__all__ = ["Decoder"]


class Decoder(wiring.Component):
    """Checks an instruction against the table of the instruction set and the sizes of the chip.

    Combinational. The checks are found by the names of the fields, so a new instruction is checked like the others.

    Parameters
    ----------
    config : Config

    Members
    -------
    word : In(128)
    legal : Out(1)
        No field has a value that this chip cannot execute. Addresses are checked by the units.
    queue : Out(number of units)
        One bit a unit, HOST first: whose queue takes it. 0: the sequencer executes it itself.
    work : Out(1)
        It counts in the semaphore of that unit.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({"word": In(INSTRUCTION_BITS), "legal": Out(1), "queue": Out(len(units(config))),
                          "work": Out(1)})

    def _unit_choices(self, opcode):
        present = units(self._config)
        if opcode is Opcode.SET_CONFIGURATION:
            return [unit for unit in CONFIG if unit in present]
        if opcode is Opcode.TAG:
            return present
        return [Unit.NONE, *present]

    def _checks(self, row, fields):
        config = self._config
        present = [Unit.NONE, *units(config)]
        yield int(row.unit is None or (row.unit in present and (config.has_dma or row.unit is not Unit.HOST)))
        for name, value in fields.items():
            if name in ("wait0_unit", "wait1_unit"):
                yield _among(value, present)
            elif name == "unit":
                yield _among(value, self._unit_choices(row.opcode))
            elif name == "destination":
                yield _among(value, [d for d in Destination if config.has_vector or d is not Destination.VECTOR])
            elif name == "function":
                yield value <= max(Function)
            elif name == "slot":
                # Rows for the array or the function table have no slot.
                slotted = (Destination.ACTIVATION, Destination.VECTOR)
                unused = ~_among(fields["destination"], slotted) if "destination" in fields else 0
                yield unused | (value < config.parameter_slots)
            elif name == "address" and config.weight_path_rows > 1:
                # Of an instruction for the array rows come two by two.
                odd = value[0] | fields["count"][0]
                yield (fields["destination"] != Destination.ARRAY) | ~odd
            elif name == "columns":
                yield (value != 0) & (value <= config.cols)
            elif name == "tag":
                yield value < config.tag_depth
            elif name in ("index0", "index1"):
                for unit, registers in CONFIG.items():
                    yield (fields["unit"] != unit) | (value < len(registers)) | (value == SINK)

    def elaborate(self, platform):
        m = Module()
        with m.Switch(self.word[:TABLE[Opcode.NOP].layout()["opcode"][1]]):
            for row in TABLE.values():
                fields = {name: self.word[offset:offset + width] for name, (offset, width) in row.layout().items()}
                with m.Case(row.opcode):
                    m.d.comb += [
                        self.legal.eq(reduce(and_, self._checks(row, fields))),
                        self.work.eq(row.work),
                    ]
                    # A tag's unit is the one it watches: the sequencer executes it.
                    target = row.unit if row.unit is not None else fields["unit"]
                    if row.opcode is not Opcode.TAG:
                        m.d.comb += [bit.eq(target == unit)
                                     for bit, unit in zip(self.queue, units(self._config), strict=True)]
        return m


def _among(value, choices):
    return reduce(or_, (value == choice for choice in choices))
