"""Large units are converted to Verilog by processes of their own, and are the same hardware."""

import os
import signal
import threading

import pytest
from netlist_programs import check_random_program
from systolith.host.driver import Driver
from systolith.rtl import top
from systolith.rtl.background import Background
from systolith.rtl.config import Config
from systolith.rtl.errors import UserError
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


def test_result_and_error_come_back():
    def fail():
        raise ValueError("no such thing")

    runs, fails = Background(lambda: ([*range(100_000)], os.getpid())), Background(fail)
    numbers, process = runs.result()
    assert numbers == [*range(100_000)] and process != os.getpid()
    with pytest.raises(ValueError, match="no such thing"):
        fails.result()


def test_process_that_is_ended_from_outside():
    with pytest.raises(UserError, match="ended from outside"):
        Background(lambda: os.kill(os.getpid(), signal.SIGKILL)).result()


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

    parent, thread = os.getpid(), threading.Thread(target=hold)
    thread.start()
    held.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", Stream())
        assert Background(lambda: 5).result() == 5
    done.set()
    thread.join()
