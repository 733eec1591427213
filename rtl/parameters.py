"""The parameter store: biases, multipliers and shifts of a layer's channels, given to the requantise lanes."""

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .interfaces import LoadBus
from .parameter_plane import ParameterPlane
from .stamp import place
from .weights import WeightUnit

__all__ = ["PLANES", "ParameterStore"]

#: Rows of a set: byte planes 0 to 3 of the bias, 4 to 7 of the multiplier, and the shift.
PLANES = 9


class ParameterStore(wiring.Component):
    """Takes the requantisation parameters of all columns from the load bus and gives those of one beat.

    Rows of a set beyond the shift are ignored. Reset does not change what is stored. Rows with the same number come at
    least `WeightUnit.BUS_CYCLES` after each other, unless the weight memory is external.

    Parameters
    ----------
    config : Config
    destination : Destination
        Which rows of the load bus are taken.
    lanes : int
        Requantise lanes, a divisor of cols.

    Members
    -------
    load : In(LoadBus(config))
    slot : In(3), below parameter_slots
    beat : In(range(cols / lanes))
        Lane i serves column `beat * lanes + i`.
    bias : Out(array of lanes x signed(32))
    multiplier : Out(array of lanes x 31)
    shift : Out(array of lanes x signed(7))

    Latency
    -------
    The parameters follow `slot` and `beat` by LATENCY cycles. A row that is loaded can be read three cycles later, its
    last columns `BUS_CYCLES - 1` after that at most.
    """

    LATENCY = 2

    def __init__(self, config, destination, lanes):
        self._config = config
        self._destination = destination
        self._lanes = lanes
        super().__init__({
            "load": In(LoadBus(config)), "slot": In(3), "beat": In(range(config.cols // lanes)),
            "bias": Out(data.ArrayLayout(signed(32), lanes)),
            "multiplier": Out(data.ArrayLayout(unsigned(31), lanes)),
            "shift": Out(data.ArrayLayout(signed(7), lanes)),
        })

    @staticmethod
    def _parts(config, beats):
        """Cycles that a row takes: no more than lie between two rows of a plane. An external memory may give one in
        each."""
        most = WeightUnit.BUS_CYCLES if config.weight_memory == "sram" else 1
        return max(parts for parts in range(1, most + 1) if beats % parts == 0)

    def elaborate(self, platform):
        m = Module()
        lanes, config = self._lanes, self._config
        beats = config.cols // lanes
        parts = self._parts(config, beats)
        # The load bus comes from afar and goes to many memories: registers between, one for what decides where a row
        # goes and as many as a part waits for those before it.
        part_bits = 8 * config.cols // parts
        row = Signal(8 * config.cols)
        m.d.comb += row.eq(Cat(delayed(m, self.load.data.word_select(part, part_bits), 2 + part)
                               for part in range(parts)))
        arrives = self.load.valid & (self.load.destination == self._destination)
        write_slot = delayed(m, self.load.slot, 1)
        # Many memories are read, too: decoded a cycle before.
        read_slot = delayed(m, self.slot, 1)
        read_part = Signal(range(parts), reset_less=True)
        read_beat = Signal(beats // parts, reset_less=True)
        with m.Switch(self.beat):
            for beat in range(beats):
                part, within = divmod(beat, beats // parts)
                with m.Case(beat):
                    m.d.sync += [read_part.eq(part), read_beat.eq(1 << within)]
        planes = []
        for i in range(PLANES):
            plane = place(m, f"plane{i}", ParameterPlane(config.parameter_slots, config.cols, lanes, parts), platform,
                          write_en=delayed(m, arrives & (self.load.index == i), 1), write_slot=write_slot,
                          write_data=row, slot=read_slot, part=read_part, beat=read_beat)
            planes.append(plane.data)

        # The bytes of each lane, in one assignment a port, as elaboration costs by the bits of the signals that are
        # assigned to.
        columns = [[plane.word_select(lane, 8) for plane in planes] for lane in range(lanes)]
        m.d.comb += [
            self.bias.eq(Cat(column[:4] for column in columns)),
            self.multiplier.eq(Cat(Cat(column[4:8])[:31] for column in columns)),
            self.shift.eq(Cat(column[8][:7] for column in columns)),
        ]
        return m
