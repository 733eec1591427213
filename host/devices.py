"""The devices a program can run on, by the name that the command line gives them."""

from importlib import import_module

__all__ = ["DEVICES", "is_device", "open_device"]

#: Name to (module, class, description); PORT stands for a place. A module is imported when its device is opened.
DEVICES = {
    "rtl": ("systolith.sim.verilator", "VerilatorDevice", "the chip's Verilog, simulated by Verilator"),
    "cycles": ("systolith.sim.cycle_device", "CycleDevice", "the golden model, with the cycles that the chip takes"),
    "model": ("systolith.sim.model_device", "ModelDevice", "the numpy golden model; needs no compiler"),
    "serial:PORT": ("systolith.host.serial_device", "SerialDevice", "the board at that port; PORT@BAUD if its baud is "
                    "not 1000000"),
}


def is_device(name):
    """Whether `open_device` takes the name."""
    kind, colon, place = name.partition(":")
    return f"{kind}:PORT" in DEVICES if colon and place else name in DEVICES and not colon


def open_device(name, config):
    """The device of that name.

    Parameters
    ----------
    name : str
        For which `is_device` holds.
    config : Config or None
        What a simulated chip is to be. A board's is what it is.

    Errors
    ------
    BuildError
        If the simulation cannot be built.
    DeviceError
        If the port cannot be opened.
    """
    kind, colon, place = name.partition(":")
    module, cls, _ = DEVICES[f"{kind}:PORT" if colon else name]
    return getattr(import_module(module), cls)(place if colon else config)
