"""The parameter store: biases, multipliers and shifts of a layer's channels, given to the requantise lanes."""

from amaranth.hdl import Cat, Module, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .delay import delayed
from .interfaces import LoadBus
from .parameter_plane import ParameterPlane
from .stamp import place

__all__ = ["PLANES", "ParameterStore"]

#: Rows of a set: byte planes 0 to 3 of the bias, 4 to 7 of the multiplier, and the shift.
PLANES = 9


class ParameterStore(wiring.Component):
    """Takes the requantisation parameters of all columns from the load bus and gives those of one beat.

    Rows of a set beyond the shift are ignored. Reset does not change what is stored.

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
    The parameters follow `slot` and `beat` by LATENCY cycles. A row that is loaded can be read in the cycle after the
    next.
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

    def elaborate(self, platform):
        m = Module()
        lanes, config = self._lanes, self._config
        # The load bus comes from afar and goes to many memories: a register between, with what is decoded.
        slot, row = delayed(m, self.load.slot, 1), delayed(m, self.load.data, 1)
        # Many memories are read, too, and much is chosen: one bit a beat.
        beats = config.cols // lanes
        read_slot, read_beat = delayed(m, self.slot, 1), delayed(m, Cat(self.beat == b for b in range(beats)), 1)
        planes = []
        for i in range(PLANES):
            plane = place(m, f"plane{i}", ParameterPlane(config.parameter_slots, config.cols, lanes), platform)
            m.d.sync += plane.write_en.eq(self.load.valid & (self.load.destination == self._destination)
                                          & (self.load.index == i))
            m.d.comb += [
                plane.write_slot.eq(slot),
                plane.write_data.eq(row),
                plane.slot.eq(read_slot),
                plane.beat.eq(read_beat),
            ]
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
