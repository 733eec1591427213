# amaranth: UnusedElaboratable=no
"""Large units are converted to Verilog by processes of their own, and are the same hardware."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from netlist_programs import check_random_program
from systolith.host.driver import Driver
from systolith.rtl import top
from systolith.rtl.background import Background
from systolith.rtl.config import Config
from systolith.rtl.errors import UserError
from systolith.rtl.stamp import place_unit
from systolith.rtl.top import Tpu
from systolith.rtl.verilog import convert
from systolith.sim.verilator import TOP, VerilatorDevice, build

UNITS = "buffer", "weights", "matrix", "activation", "vector"
CONFIG = Config(rows=6, cols=4, requantise_lanes=2, accumulator_depth=64, unified_buffer_bytes=512,
                weight_memory_rows=256, vector_kernel_rows=3, instruction_depth=256, packet_bytes=256, tag_depth=16,
                weight_path_rows=2, multiplier="winograd")


def test_wide_chip_has_a_module_for_each_unit(monkeypatch):
    plain = convert(Tpu(CONFIG), "chip")
    monkeypatch.setattr(top, "WIDE", CONFIG.cols)
    text = convert(Tpu(CONFIG), "chip")
    assert all(f"\nmodule chip_{unit}(" in text and f"\nmodule chip_{unit}(" not in plain for unit in UNITS)
    assert text == convert(Tpu(CONFIG), "chip")


def test_units_apart_are_the_same_chip(monkeypatch):
    """Programs one after the other, so that the units are cleared between them."""
    plain = Driver(VerilatorDevice(CONFIG), CONFIG)
    monkeypatch.setattr(top, "WIDE", CONFIG.cols)
    library = build(convert(Tpu(CONFIG), TOP, flat=True))
    apart = Driver(VerilatorDevice(CONFIG, library), CONFIG)
    assert sum(check_random_program(apart, plain, CONFIG, seed) for seed in range(10))
    apart.close()
    plain.close()


class Pair(wiring.Component):
    """Two chips in one design."""

    def __init__(self, config):
        byte = stream.Signature(8)
        self._config = config
        super().__init__({f"{name}{i}": flow(byte) for i in range(2) for name, flow in (("rx", In), ("tx", Out))})

    def elaborate(self, platform):
        m = Module()
        for i in range(2):
            m.submodules[f"chip{i}"] = chip = Tpu(self._config)
            wiring.connect(m, wiring.flipped(getattr(self, f"rx{i}")), chip.rx)
            wiring.connect(m, chip.tx, wiring.flipped(getattr(self, f"tx{i}")))
        return m


def test_two_wide_chips_in_one_design(monkeypatch):
    monkeypatch.setattr(top, "WIDE", CONFIG.cols)
    text = convert(Pair(CONFIG), "pair")
    assert len(re.findall(r"^  pair_matrix\w* matrix ", text, re.MULTILINE)) == 2
    assert len(set(re.findall(r"^module (pair_matrix(?:_\d+)?)\(", text, re.MULTILINE))) == 2


def test_nothing_is_left_when_a_conversion_fails():
    class Broken(wiring.Component):
        q: Out(1)

        def elaborate(self, platform):
            m = Module()
            place_unit(m, "unit", Tpu(CONFIG), platform)
            raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        convert(Broken(), "broken")
    assert not multiprocessing.active_children()


class Two(Exception):
    """Cannot be made again of its message alone, as unpickling tries."""
    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def test_result_and_error_come_back():
    def fail():
        raise ValueError("no such thing")

    runs, fails = Background(lambda: ([*range(100_000)], os.getpid())), Background(fail)
    numbers, process = runs.result()
    assert numbers == [*range(100_000)] and process != os.getpid()
    with pytest.raises(ValueError, match="no such thing") as caught:
        fails.result()
    assert "in fail" in caught.value.__notes__[0]


@pytest.mark.parametrize("error", [Two("no", "thing"), ValueError(lambda: None)])
def test_error_that_cannot_be_sent_comes_as_text(error):
    def fail():
        raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        Background(fail).result()


def test_process_that_is_ended_from_outside():
    with pytest.raises(UserError, match="ended from outside"):
        Background(lambda: os.kill(os.getpid(), signal.SIGKILL)).result()


def test_process_that_is_ended_in_the_middle_of_its_result():
    """Of a megabyte the pipe takes 64 KiB, then the process waits."""
    work = Background(lambda: bytes(1_000_000))
    process, = multiprocessing.active_children()
    assert work._receiver.poll(30)
    time.sleep(0.3)
    process.kill()
    with pytest.raises(UserError, match="ended from outside"):
        work.result()


def test_process_ends_with_who_waits_for_it():
    code = ("import os, signal; from systolith.rtl.background import Background; "
            "works = [Background(lambda: bytes(1_000_000)) for _ in range(2)]; "
            "print(*(work._process.pid for work in works), flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    for pid in map(int, told.stdout.split()):
        for _ in range(300):
            if not _runs(pid):
                break
            time.sleep(0.1)
        assert not _runs(pid)
    assert "Traceback" not in told.stderr


def _runs(pid):
    """Whether there is such a process that has not ended: who ended waits for init, which may not come."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_process_that_may_have_no_others():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_own_pid_by_background)


def _own_pid_by_background():
    return Background(os.getpid).result() == os.getpid()


def test_interrupt_is_left_to_who_waits():
    assert Background(lambda: os.kill(os.getpid(), signal.SIGINT)).result() is None


def test_system_without_fork(monkeypatch):
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    assert Background(os.getpid).result() == os.getpid()


def test_lock_that_a_thread_holds_does_not_keep_the_result():
    """On its way out the process flushes standard output, whose lock it may have inherited from a thread."""
    lock, held, done = threading.Lock(), threading.Event(), threading.Event()

    class Stream:
        def write(self, text):
            pass

        def flush(self):
            # Free in this process when it flushes before it forks, and held for ever in the other.
            if os.getpid() != parent:
                lock.acquire()

    def hold():
        with lock:
            held.set()
            done.wait()

    parent, thread = os.getpid(), threading.Thread(target=hold, daemon=True)
    thread.start()
    held.wait()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", Stream())
            assert Background(lambda: 5).result() == 5
    finally:
        done.set()
