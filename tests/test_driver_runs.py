"""Programs run by the driver on the model device, over lines that lose and change what they carry."""

import struct
import time

import pytest
from changing_line import CONFIG, damaged, driver, lost, once, shortened
from systolith.host.driver import ChipFault, DeviceError, Driver
from systolith.host.link import LineError
from systolith.rtl import packets
from systolith.rtl.config import Config
from systolith.rtl.encoding import encode
from systolith.rtl.isa import Fault, Opcode
from systolith.rtl.packets import COUNTERS, Kind, PacketReader, Space, State, pack
from systolith.sim.model_device import ModelDevice


def load(chip, *instructions):
    chip.write(Space.INSTRUCTIONS, 0, b"".join((*instructions, encode(Opcode.HALT))))


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
