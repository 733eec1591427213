"""Boards at serial ports: pseudo-terminals with the model device behind them, and ports that cannot be used."""

import errno
import json
import os
import tty

import pytest
import serial
from click.testing import CliRunner
from faulty_line import pseudo_terminal
from systolith.host.cli import main
from systolith.host.devices import is_device
from systolith.host.driver import DeviceError, Driver
from systolith.host.serial_device import SerialDevice
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.packets import Space
from systolith.sim.model_device import ModelDevice


@pytest.fixture
def stuck():
    """The name of a port from which nobody reads."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def refused(result, *parts):
    """Checks that the only thing said on standard error is one sentence that names the parts."""
    assert result.exit_code == 1, result.output
    line, = result.stderr.strip().splitlines()
    assert line.startswith("Error: ") and all(part in line for part in parts), line


def run(digits, *words):
    return CliRunner().invoke(main, ["run", str(digits / "digits.tflite"), "--json", *map(str, words)])


def patient(port):
    """The device at a port, at so low a baud that its time-outs outlast whatever else the machine does."""
    return f"serial:{port}@50000"


def test_names():
    assert all(map(is_device, ("rtl", "model", "serial:/dev/ttyUSB0", "serial:COM3@115200")))
    assert not any(map(is_device, ("", "serial", "serial:", "rtl:x", "rtl:", "usb:1")))


def test_all_bytes_pass_both_ways():
    with pseudo_terminal(ModelDevice(PRESETS["nano"])) as port, Driver(SerialDevice(port, timeout=5)) as chip:
        data = bytes(range(256)) * 20
        chip.write(Space.UNIFIED_BUFFER, 5, data)
        assert chip.read(Space.UNIFIED_BUFFER, 5, len(data)) == data
        assert chip.config is PRESETS["nano"]


def test_a_board_says_what_it_is(digits):
    with pseudo_terminal(ModelDevice(PRESETS["nano"])) as port:
        for words in ((), ("--config", "nano")):
            result = run(digits, "--device", patient(port), *words)
            assert result.exit_code == 0, result.output
            report = json.loads(result.stdout)
            assert (report["config"], report["device"]) == ("nano", patient(port))
        refused(run(digits, "--device", patient(port), "--config", "edge"), "8 x 8 chip", "edge is 16 x 16")


def test_a_board_of_unknown_configuration_needs_its_name(digits, tmp_path):
    config = tmp_path / "own.toml"
    config.write_text("base = 'nano'\ntag_depth = 32\n")
    with pseudo_terminal(ModelDevice(Config.from_dict({"base": "nano", "tag_depth": 32}))) as port:
        refused(run(digits, "--device", patient(port)), "8 x 8 chip of an unknown configuration", "--config")
        assert run(digits, "--device", patient(port), "--config", config).exit_code == 0


class Silent:
    def write(self, data):
        pass

    def read(self, n):
        return b""


def test_silence_is_told_of(digits, stuck):
    with pseudo_terminal(Silent()) as port:
        refused(run(digits, "--device", f"serial:{port}@4000000"), "no systolith answers", "bitstream", "baud")
    refused(run(digits, "--device", f"serial:{stuck}@4000000"), f"{stuck} takes no bytes")


def test_ports_that_are_none(digits, tmp_path):
    refused(run(digits, "--device", "serial:/dev/ttyNone"), "there is no serial port /dev/ttyNone; connected are: ")
    (tmp_path / "file").write_text("")
    refused(run(digits, "--device", f"serial:{tmp_path}/file"), "file cannot be opened as a serial port")
    refused(run(digits, "--device", "serial:/dev/ttyUSB0@fast"), "/dev/ttyUSB0 must be a number, not 'fast'")
    with pseudo_terminal(Silent()) as port:
        refused(run(digits, "--device", f"serial:{port}@99999999999"), f"{port} cannot be opened as a serial port")


def test_a_port_in_use(digits, stuck):
    device = SerialDevice(stuck)
    refused(run(digits, "--device", f"serial:{stuck}"), f"{stuck} is in use", "close the other program")
    device.close()


def test_a_port_without_permission(digits, stuck, monkeypatch):
    def refuse(*args, **kwargs):
        raise serial.SerialException(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serial, "Serial", refuse)
    refused(run(digits, "--device", f"serial:{stuck}"), "may not be opened by this user", "dialout")


def test_a_board_that_is_unplugged():
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    device = SerialDevice(os.ttyname(theirs))
    os.close(ours)
    with pytest.raises(DeviceError, match="is gone: was the board unplugged"):
        Driver(device).hello()
    device.close()
    os.close(theirs)
