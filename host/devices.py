"""The devices a program can run on, by the name that the command line gives them."""

from systolith.sim.model_device import ModelDevice
from systolith.sim.verilator import VerilatorDevice

__all__ = ["DEVICES", "open_device"]

#: Name to (class, description).
DEVICES = {
    "rtl": (VerilatorDevice, "the chip's Verilog, simulated by Verilator"),
    "model": (ModelDevice, "the numpy golden model; needs no compiler"),
}


def open_device(name, config):
    """The device of that name as a chip of that configuration.

    Errors
    ------
    BuildError
        If the simulation cannot be built.
    """
    return DEVICES[name][0](config)
