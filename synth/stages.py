"""From Verilog to a netlist that is ready to be placed, and from a routed design to a bitstream: stages of a build,
each one run of a tool in its folder. What lies between is `systolith.synth.routing`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from .global_nets import promote
from .output_registers import use_output_registers
from .replicate import replicate, to_buffers
from .tools import ToolError, run

__all__ = ["FAMILIES", "Family", "Part", "arrange", "pack", "synthesise"]

#: What a netlist whose floor is planned tells nextpnr besides: in place of its refinement by simulated annealing, the
#: newer one, which leaves half as many connections late; by one thread, for by several each run ends elsewhere. In the
#: netlist, for nextpnr of pip does not know the option, and passes over the setting.
_SETTINGS = {"placerHeap/parallelRefine": "1", "threads": "1"}


@dataclass(frozen=True)
class Family:
    """How the tools are called for one family of FPGAs.

    Members
    -------
    synthesis : str
        Command of yosys, without ``-top``.
    router : str
        The nextpnr.
    constraints : tuple of str
        How a constraint file is given to it, with a place for the name.
    suffix : str
        Of such a file.
    routed : tuple of str
        How it is told to write the routed design, and that file.
    packer : tuple of str
        What makes the bitstream of the routed design; `{name}` is a part's `packed_as`.
    bitstream : str
        The file that it makes.
    techmap : str
        File in ``techmap/`` by which cells of the netlist are rewritten, if any.
    global_nets : int
        How many control nets `systolith.synth.global_nets` puts onto the global network.
    memory_registers : bool
        Whether its block memories have the registers of `systolith.synth.output_registers`.
    """
    synthesis: str
    router: str
    constraints: tuple
    suffix: str
    routed: tuple
    packer: tuple
    bitstream: str
    techmap: str = ""
    global_nets: int = 0
    memory_registers: bool = False

    @property
    def tools(self):
        """All tools that the stages run."""
        return "yosys", self.router, self.packer[0]


FAMILIES = {
    "ecp5": Family("synth_ecp5", "nextpnr-ecp5", ("--lpf", "{}"), "lpf", ("--textcfg", "top.config"),
                   ("ecppack", "--compress", "top.config", "top.bit"), "top.bit", techmap="ecp5.v",
                   global_nets=7, memory_registers=True),
    # Without -dsp, which takes the SB_MAC16 of our cells for products that it has found, and drops their settings.
    "ice40": Family("synth_ice40 -device u -spram", "nextpnr-ice40", ("--pcf", "{}"), "pcf", ("--asc", "top.asc"),
                    ("icepack", "top.asc", "top.bin"), "top.bin"),
    "gowin": Family("synth_gowin", "nextpnr-himbaechel", ("--vopt", "cst={}"), "cst", ("--write", "top.routed.json"),
                    ("gowin_pack", "-d", "{name}", "-o", "top.fs", "top.routed.json"), "top.fs"),
}


@dataclass(frozen=True)
class Part:
    """One FPGA.

    Members
    -------
    family : str
        Key of `FAMILIES`.
    options : tuple of str
        What names it to nextpnr.
    synthesis : str
        Options of yosys for it.
    packed_as : str
        What names it to the packer, if that wants a name.
    packing : tuple of str
        More options of the packer: which pins with a second purpose are plain ones.
    floor : str
        Key of `systolith.synth.floorplan.FLOORS`, if its blocks are to be planned.
    """
    family: str
    options: tuple
    synthesis: str = ""
    packed_as: str = ""
    packing: tuple = ()
    floor: str = ""


def synthesise(verilog, top, part, folder, *, rtlil="", options="", progress=None):
    """Makes a netlist of Verilog; registers behind memories become the memories' own where the family has such.

    Parameters
    ----------
    verilog : str
        The text.
    top : str
        Its top module.
    part : Part
    folder : Path
        Build folder; is made if it is not there. Gets the sources, ``top.json`` and ``synthesis.log``.
    rtlil : str
        More modules, in the language of yosys.
    options : str
        More options of the synthesis command.
    progress : callable (line), optional
        Gets each line that the tool prints.

    Returns
    -------
    Path
        ``modules.netlist.json``, the netlist with a ``$scopeinfo`` cell for each module that was flattened.

    Errors
    ------
    ToolError
        If yosys is missing or fails.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "top.v").write_text(verilog)
    (folder / "top.il").write_text(rtlil)
    family = FAMILIES[part.family]
    command = " ".join(filter(None, (family.synthesis, part.synthesis, options)))
    rewrite = ""
    if family.techmap:
        (folder / "techmap.v").write_text((Path(__file__).parent / "techmap" / family.techmap).read_text())
        rewrite = "techmap -map techmap.v; opt_expr; clean; "
    # What nextpnr makes of a netlist depends on its source lines, too, which hold where the tools and we are installed.
    # Older nextpnr, such as Debian's, do not know the cells that tell which module a cell comes from.
    script = (f"read_verilog -sv top.v; read_rtlil top.il; {command} -top {top}; {rewrite}setattr -unset src =*; "
              "setattr -mod -unset src =*; write_json modules.netlist.json; delete */t:$scopeinfo; write_json top.json")
    run("yosys", ["-p", script], folder, "synthesis.log", progress)
    if family.memory_registers:
        for netlist in (folder / "top.json", folder / "modules.netlist.json"):
            design = json.loads(netlist.read_text())
            use_output_registers(design["modules"][top])
            netlist.write_text(json.dumps(design))
    return folder / "modules.netlist.json"


def arrange(part, folder, *, progress=None):
    """Decides for ``top.json``, the netlist in a build folder, what nextpnr would decide badly: which control nets are
    global, and for a part with a floor, where its memories and multipliers are.

    Parameters
    ----------
    part : Part
    folder : Path
    progress : callable (line), optional

    Errors
    ------
    ToolError
        If scipy is missing.
    """
    netlist, family = Path(folder) / "top.json", FAMILIES[part.family]
    if not (family.global_nets or part.floor):
        return
    design = json.loads(netlist.read_text())
    module = max(design["modules"].values(), key=lambda module: len(module["cells"]))
    if part.floor:
        module.setdefault("settings", {}).update(_SETTINGS)
        planner = _planner()
        floor = planner.FLOORS[part.floor]
        promote(module, family.global_nets, sites=floor.global_buffers)
        try:
            blocks, places = planner.floor_plan(module, floor, progress)
        except ValueError:
            blocks, places = {}, {}  # more blocks than there are: nextpnr says of everything how much
        for cell, site in blocks.items():
            module["cells"][cell].setdefault("attributes", {})["BEL"] = site
        copies = to_buffers(module, floor.by_buffers) + replicate(module, places)
        if progress is not None:
            progress(f"floor plan: {copies} copies of what has receivers far apart")
    else:
        promote(module, family.global_nets)
    netlist.write_text(json.dumps(design))


def _planner():
    try:
        from . import floorplan
    except ModuleNotFoundError as error:
        raise ToolError(f"planning the floor needs {error.name}, which `pip install {error.name}` installs") from None
    return floorplan


def pack(part, folder, *, progress=None):
    """Makes the bitstream of the routed design in a build folder.

    Returns
    -------
    Path

    Errors
    ------
    ToolError
        If the packer is missing or fails.
    """
    family = FAMILIES[part.family]
    tool, *arguments = (word.format(name=part.packed_as) for word in family.packer)
    run(tool, [*arguments, *part.packing], folder, "pack.log", progress)
    return Path(folder) / family.bitstream
