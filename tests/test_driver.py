"""Commands of the driver to the model device, over lines that lose and change what they carry."""


import numpy as np
import pytest
from changing_line import CONFIG, damaged, driver, lost, once, shortened
from systolith.host.driver import DeviceError, Driver
from systolith.rtl import packets
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.packets import COUNTERS, PROTOCOL, Kind, Space, State, pack
from systolith.sim.model_device import ModelDevice


def test_hello_checks_what_the_chip_is():
    chip, line = driver()
    assert chip.hello() == {"magic": b"SYST", "protocol": PROTOCOL, "rows": 3, "cols": 4, "digest": CONFIG.digest()}
    with pytest.raises(DeviceError, match="3 x 4 chip, but configuration edge is 16 x 16"):
        driver(config=PRESETS["edge"])[0].hello()
    with pytest.raises(DeviceError, match="size of configuration small but other parameters"):
        Driver(ModelDevice(CONFIG), Config(**{**CONFIG.as_dict(), "tag_depth": 4})).hello()
    with pytest.raises(DeviceError, match="of an unknown configuration; .* --config"):
        driver(config=None)[0].hello()
    with chip:
        pass
    assert line.closed


def test_config_is_found_by_the_digest():
    chip = Driver(ModelDevice(PRESETS["pico"]))
    chip.write(Space.UNIFIED_BUFFER, 9, bytes(range(200)) * 2)
    assert chip.config is PRESETS["pico"]
    own = Driver(ModelDevice(CONFIG), known=[PRESETS["edge"], CONFIG])
    own.hello()
    assert own.config is CONFIG
    assert chip.read(Space.UNIFIED_BUFFER, 9, 400) == bytes(range(200)) * 2


@pytest.mark.parametrize("field, value, sentence", [("magic", b"ELSE", "no systolith"), ("protocol", 9, "protocol 9")])
def test_hello_refuses_strangers(field, value, sentence):
    info = {"magic": b"SYST", "protocol": PROTOCOL, "rows": 3, "cols": 4, "digest": CONFIG.digest(), field: value}
    payload = packets.pack_fields(packets.INFO, info)
    chip, _ = driver(to_host=once(Kind.ACK, lambda data: pack(Kind.ACK, payload, data[2])))
    with pytest.raises(DeviceError, match=sentence):
        chip.hello()


def test_long_transfers_are_split_into_whole_words():
    chip, line = driver()
    data = bytes(i * 7 % 256 for i in range(256))
    progress = []
    chip.write(Space.WEIGHTS, 0, data, progress=lambda done, total: progress.append((done, total)))
    assert line.device.model.weights.tobytes() == data
    assert progress == [(120, 256), (240, 256), (256, 256)]
    chip.write(Space.UNIFIED_BUFFER, 100, memoryview(data))
    assert chip.read(Space.UNIFIED_BUFFER, 99, 257)[1:] == data


@pytest.mark.parametrize("change", [lost, shortened, damaged])
@pytest.mark.parametrize("direction", ["to_chip", "to_host"])
def test_commands_are_repeated(direction, change):
    kind = Kind.WRITE if direction == "to_chip" else Kind.ACK
    chip, line = driver(**{direction: once(kind, change)})
    data = bytes(range(100))
    chip.write(Space.UNIFIED_BUFFER, 0, data)
    assert line.sent.count(Kind.WRITE) == 2
    assert chip.read(Space.UNIFIED_BUFFER, 0, 100) == data


def test_late_answers_are_not_taken_for_others():
    held = []

    def late(data):
        held.append(data)
        return b""

    def with_held(kind, data):
        if held and kind == Kind.ACK:
            return held.pop() + data
        return withhold(kind, data)

    withhold = once(Kind.ACK, late)
    chip, line = driver(to_host=with_held)
    assert chip.hello()["rows"] == 3 and chip.status()["state"] == State.IDLE
    assert line.sent.count(Kind.HELLO) == 2


def test_silence_and_refusals_are_errors():
    chip, line = driver(to_host=lambda kind, data: b"")
    with pytest.raises(DeviceError, match="no systolith answers"):
        chip.hello()
    assert 2 < line.sent.count(Kind.HELLO) < 6
    chip, line = driver()
    with pytest.raises(DeviceError, match="refused WRITE: the address is past the end"):
        chip.write(Space.UNIFIED_BUFFER, 510, b"abc")
    with pytest.raises(DeviceError, match="refused READ: the memory cannot be reached"):
        chip.read(Space.WEIGHTS, 0, 1)
    assert line.sent == [Kind.WRITE, Kind.READ]


def test_tags_are_read_by_name():
    chip, line = driver()
    line.device.model.tags[:] = 2**31 + np.arange(8 * len(COUNTERS)).reshape(8, -1)
    assert chip.tags(7) == [{name: 2**31 + len(COUNTERS) * i + j for j, name in enumerate(COUNTERS)} for i in range(7)]
