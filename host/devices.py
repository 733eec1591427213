"""The devices a program can run on, by the name that the command line gives them."""

from importlib import import_module

__all__ = ["DEVICES", "open_device"]

#: Name to (module, class, description). A module is imported when its device is opened.
DEVICES = {
    "rtl": ("systolith.sim.verilator", "VerilatorDevice", "the chip's Verilog, simulated by Verilator"),
    "cycles": ("systolith.sim.cycle_device", "CycleDevice", "the golden model, with the cycles that the chip takes"),
    "model": ("systolith.sim.model_device", "ModelDevice", "the numpy golden model; needs no compiler"),
}


def open_device(name, config):
    """The device of that name as a chip of that configuration.

    Errors
    ------
    BuildError
        If the simulation cannot be built.
    """
    module, cls, _ = DEVICES[name]
    return getattr(import_module(module), cls)(config)
