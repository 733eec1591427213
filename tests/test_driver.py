"""The driver against the model device, over lines that lose and change what they carry."""

import struct
import time

import numpy as np
import pytest
from systolith.host.driver import ChipFault, DeviceError, Driver
from systolith.host.link import LineError
from systolith.rtl import packets
from systolith.rtl.config import PRESETS, Config
from systolith.rtl.isa import Fault, Opcode, encode
from systolith.rtl.packets import COUNTERS, PROTOCOL, Kind, PacketReader, Space, State, pack
from systolith.sim.model_device import ModelDevice

CONFIG = Config(name="small", rows=3, cols=4, requantise_lanes=2, unified_buffer_bytes=512, weight_memory_rows=64,
                instruction_depth=32, packet_bytes=128, tag_depth=8)


class Line:
    """A device behind a line. `sent` lists the kinds of the commands.

    `to_chip` and `to_host`, functions of a packet's kind and bytes, give the bytes that arrive. What is no packet
    (zeros that resynchronise) passes.
    """

    def __init__(self, device, to_chip=None, to_host=None):
        self.device, self.to_chip, self.to_host = device, to_chip, to_host
        self.output = bytearray()
        self.sent = []
        self.closed = False

    def write(self, data):
        self.sent += [Kind(packet.kind) for packet in PacketReader(4096).feed(data)]
        self.device.write(changed(data, self.to_chip))
        answers = bytearray()
        while part := self.device.read(1000):
            answers += part
        self.output += changed(bytes(answers), self.to_host)

    def read(self, n):
        # In small pieces: the driver must not rely on whole packets.
        data = bytes(self.output[:min(n, 7)])
        del self.output[:len(data)]
        return data

    def close(self):
        self.closed = True


def changed(data, change):
    if change is None:
        return data
    out = bytearray()
    found = PacketReader(4096).feed(data)
    for packet in found:
        out += change(packet.kind, pack(packet.kind, packet.payload, packet.sequence))
    return bytes(out) if found else data


def once(kind, change):
    """A change of the first packet of that kind."""
    left = [1]

    def apply(this, data):
        if this == kind and left:
            left.pop()
            return change(data)
        return data
    return apply


def lost(data):
    return b""


def shortened(data):
    return data[:6] + data[7:]


def damaged(data):
    return data[:-1] + bytes([data[-1] ^ 0x10])


def driver(to_chip=None, to_host=None, config=CONFIG):
    line = Line(ModelDevice(CONFIG), to_chip, to_host)
    return Driver(line, config), line


def load(chip, *instructions):
    chip.write(Space.INSTRUCTIONS, 0, b"".join((*instructions, encode(Opcode.HALT))))


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


TRANSFERS = (encode(Opcode.READ_HOST_MEMORY, host_address=10, ub_address=0, length=300),
             encode(Opcode.INTERRUPT, code=515),
             encode(Opcode.WRITE_HOST_MEMORY, host_address=400, ub_address=0, length=300))


def test_run_serves_the_host_memory():
    chip, _ = driver()
    load(chip, *TRANSFERS)
    memory = bytearray(i * 5 % 256 for i in range(700))
    status = chip.run(0, memory, timeout=60)
    assert status["state"] == State.HALTED and set(COUNTERS) < set(status)
    assert memory[400:] == memory[10:310] and chip.interrupts == [515]
    with pytest.raises(DeviceError, match="writes 52 bytes at address 648 of a host memory of 660 bytes"):
        chip.run(0, bytearray(660))
    chip.reset()
    with pytest.raises(DeviceError, match="reads 124 bytes at address 10 of a host memory of 0 bytes"):
        chip.run(0)
    chip.reset()
    assert chip.status()["state"] == State.IDLE
    assert chip.run(0, memory)["state"] == State.HALTED and chip.interrupts == [515]


def test_host_memory_may_be_any_object():
    class Memory:
        def __init__(self):
            self.written = b""

        def read(self, address, length):
            return bytes((address + i) % 256 for i in range(length))

        def write(self, address, data):
            assert address == 400 + len(self.written)
            self.written += data

    chip, _ = driver()
    load(chip, *TRANSFERS)
    memory = Memory()
    chip.run(0, memory)
    assert memory.written == memory.read(10, 300)


@pytest.mark.parametrize("to_chip, to_host", [
    (once(Kind.RUN, damaged), None), (once(Kind.RUN, shortened), None), (once(Kind.DATA, damaged), None),
    (once(Kind.DATA, shortened), None)])
def test_runs_survive_what_can_be_repaired(to_chip, to_host):
    chip, _ = driver(to_chip, to_host)
    load(chip, *TRANSFERS)
    memory = bytearray(i * 3 % 256 for i in range(700))
    assert chip.run(0, memory)["state"] == State.HALTED
    assert memory[400:] == memory[10:310]


@pytest.mark.parametrize("change", [lost, damaged])
@pytest.mark.parametrize("kind, number", [(Kind.RUN, 2), (Kind.DATA, 3), (Kind.DATA, 4)])
def test_a_lost_answer_does_not_repeat_what_was_done(change, kind, number):
    """The `number`-th ACK after the loading is lost: RUN's or a DATA's."""
    left = [number]

    def change_one(this, data):
        left[0] -= this == Kind.ACK
        return change(data) if this == Kind.ACK and left[0] == 0 else data

    chip, line = driver(to_host=change_one)
    load(chip, *TRANSFERS)
    memory = bytearray(i * 3 % 256 for i in range(700))
    assert chip.run(0, memory)["state"] == State.HALTED
    assert line.sent.count(Kind.RUN) == 1 and line.sent.count(Kind.DATA) == 3
    assert memory[400:] == memory[10:310]


def test_data_that_is_lost_for_good_is_an_error():
    chip, _ = driver(to_chip=once(Kind.DATA, lost))
    load(chip, *TRANSFERS)
    with pytest.raises(DeviceError, match="did not answer DATA"):
        chip.run(0, bytearray(700))


@pytest.mark.parametrize("change", [lost, shortened, damaged])
@pytest.mark.parametrize("kind", [Kind.HOST_READ, Kind.INTERRUPT, Kind.HOST_WRITE, Kind.STOPPED])
def test_no_packet_of_the_program_is_lost_unnoticed(kind, change):
    chip, _ = driver(to_host=once(kind, change))
    load(chip, *TRANSFERS)
    memory = bytearray(i * 3 % 256 for i in range(700))
    with pytest.raises(LineError, match="packet of the program was lost"):
        chip.run(0, memory)
    chip.reset()
    assert chip.run(0, memory)["state"] == State.HALTED
    assert memory[400:] == memory[10:310]


def test_a_program_may_send_more_packets_than_numbers_last():
    config = Config(**{**CONFIG.as_dict(), "instruction_depth": 64})
    chip = Driver(ModelDevice(config), config)
    load(chip, *[encode(Opcode.WRITE_HOST_MEMORY, length=500)] * 60)
    data = bytes(i * 7 % 256 for i in range(500))
    chip.write(Space.UNIFIED_BUFFER, 0, data)
    memory = bytearray(500)
    chip.run(0, memory)
    assert memory == data


def test_a_late_stop_is_no_loss():
    """STATUS tells of the end, and STOPPED comes behind it."""
    held = []

    def hold(kind, data):
        if kind == Kind.STOPPED and not held:
            held.append(data)
            return b""
        return data + (held.pop() if held and kind == Kind.ACK else b"")

    chip, _ = driver(to_host=hold)
    load(chip)
    assert chip.run(0)["state"] == State.HALTED


def test_what_was_refused_must_not_have_been_carried_out():
    """A NAK that noise has caused, of the same number as RUN's, and after it the ACK."""
    def with_noise(kind, data):
        return pack(Kind.NAK, bytes([packets.Reason.CRC]), data[2]) + data

    left = [2]

    def second(kind, data):
        left[0] -= kind == Kind.ACK
        return with_noise(kind, data) if kind == Kind.ACK and left[0] == 0 else data

    chip, _ = driver(to_host=second)
    load(chip)
    with pytest.raises(LineError, match="carried out a command twice"):
        chip.run(0)


def test_time_out():
    class Slow:
        def read(self, address, length):
            time.sleep(0.02)
            return bytes(length)

    chip, _ = driver()
    load(chip, *TRANSFERS)
    with pytest.raises(DeviceError, match=r"within 0\.01 seconds"):
        chip.run(0, Slow(), timeout=0.01)


def test_fault_names_the_instruction():
    chip, _ = driver()
    load(chip, encode(Opcode.NOP), encode(Opcode.READ_HOST_MEMORY, ub_address=512, length=1))
    with pytest.raises(ChipFault, match=r"past the end of the unified buffer .* at instruction 1") as caught:
        chip.run(0, bytearray(9))
    assert caught.value.status["fault"] == Fault.UNIFIED_BUFFER_RANGE


def test_data_that_is_no_longer_wanted_is_no_error():
    """Another unit's fault may stop the program while DATA is on its way."""
    status = {"state": State.FAULTED, "fault": Fault.DEADLOCK, "fault_address": 5, **dict.fromkeys(COUNTERS, 0)}

    class Faulting:
        def __init__(self):
            self.output = b""

        def write(self, data):
            for packet in PacketReader(128).feed(data):
                if packet.kind == Kind.RUN:
                    self.output += pack(Kind.ACK, b"", packet.sequence)
                    self.output += pack(Kind.HOST_READ, struct.pack("<IH", 0, 4), 0)
                    self.output += pack(Kind.STOPPED, packets.pack_fields(packets.STATUS, status), 1)
                else:
                    self.output += pack(Kind.NAK, bytes([packets.Reason.UNEXPECTED]), packet.sequence)

        def read(self, n):
            data, self.output = self.output[:n], self.output[n:]
            return data

    with pytest.raises(ChipFault, match=r"a deadlock .* at instruction 5"):
        Driver(Faulting(), CONFIG).run(0, bytearray(4))
