"""A component between shift registers: what its own paths allow, whatever would be around it, with three pins."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import Component, In, Out
from systolith.rtl.stamp import flat_ports

__all__ = ["ScanHarness"]


class ScanHarness(Component):
    """Feeds all inputs of a component from one shift register and folds all its outputs into another.

    Every input and output bit is registered. Beside the component there is a register for each input bit, and a
    register and a LUT for each output bit.

    Parameters
    ----------
    component : wiring.Component
        In the ``sync`` domain.

    Members
    -------
    scan_in : In(1), scan_out : Out(1)
    """

    def __init__(self, component):
        self.component = component
        super().__init__({"scan_in": In(1), "scan_out": Out(1)})

    @property
    def input_bits(self):
        """Input bits of the component."""
        return sum(len(value) for _, flow, value in flat_ports(self.component) if flow == In)

    @property
    def output_bits(self):
        """Output bits of the component."""
        return sum(len(value) for _, flow, value in flat_ports(self.component) if flow == Out)

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self.component
        inputs, outputs = (Cat(value for _, flow, value in flat_ports(self.component) if flow == direction)
                           for direction in (In, Out))
        chain = Signal(len(inputs), reset_less=True)
        signature = Signal(len(outputs), reset_less=True)
        m.d.sync += [chain.eq(Cat(self.scan_in, chain)), signature.eq(Cat(chain[-1], signature) ^ outputs)]
        m.d.comb += [inputs.eq(chain), self.scan_out.eq(signature[-1])]
        return m
