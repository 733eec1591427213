"""A compiled model: all that a driver needs to run it, in one file.

The file is a magic number with a version, a SHA-256 of what follows, and a NumPy .npz archive.
"""

import hashlib
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from systolith.rtl.config import Config
from systolith.rtl.errors import UserError

from .compiler.box import Box
from .compiler.layout import Layout
from .graph import Graph, Operator, Tensor

__all__ = ["Dump", "LayerInfo", "Program", "ProgramError", "Step"]

MAGIC = b"SYSTOLITH\x00"
VERSION = 3


class ProgramError(UserError):
    """A program file that cannot be used; the message is one full sentence."""


@dataclass
class LayerInfo:
    """What a report says of one operator.

    Members
    -------
    name : str, of its output tensor
    op : str, its kind
    unit : str, "matrix", "vector", "host", or "none" where no work is needed
    macs : int
    reason : str, why the host does it ("" if it does not)
    parts : int, number of parts in which it is executed; 0 if it is executed as a whole
    group : int, the same for layers whose parts are executed together
    """
    name: str
    op: str
    unit: str
    macs: int = 0
    reason: str = ""
    parts: int = 0
    group: int = 0


@dataclass
class Dump:
    """A tensor that a run moves while it goes on: its storage is at `address` of the host's memory."""
    tensor: int
    address: int


@dataclass
class Step:
    """One step of an inference: a run of the chip, or an operator on the host.

    Members
    -------
    operator : int or None, the operator that the host executes
    part : int, number of the network's part to which the run belongs: within a part tensors stay in the unified buffer,
        of some a few rows, or all of an input, also until the next
    code, weights : int, the images that instruction buffer and weight memory must hold before the run
    address : int, the run's first instruction
    layouts : dict from tensor number to `Layout`, of the tensors in the unified buffer
    boxes : dict from tensor number to `Box`, the part of it that is there; whole tensors are left out
    writes : list of tensor numbers that the host writes to the unified buffer before the run
    reads : list of tensor numbers that it reads afterwards
    tags : dict from operator to the counter snapshot taken when it was done
    fetches : list of Dump, tensors that the run itself gets from the host
    dumps : list of Dump, tensors that it sends
    """
    operator: int | None = None
    part: int = 0
    code: int = 0
    weights: int = 0
    address: int = 0
    layouts: dict = field(default_factory=dict)
    boxes: dict = field(default_factory=dict)
    writes: list = field(default_factory=list)
    reads: list = field(default_factory=list)
    tags: dict = field(default_factory=dict)
    fetches: list = field(default_factory=list)
    dumps: list = field(default_factory=list)

    @property
    def host_bytes(self):
        """Size of the host's memory, with what the run moves so far."""
        return sum(self.layouts[moved.tensor].size for moved in (*self.fetches, *self.dumps))

    @classmethod
    def from_dict(cls, values):
        """The step of which `values` is the `asdict`, after JSON has made texts of its keys."""
        def by_number(name, make=lambda value: value):
            return {int(key): make(value) for key, value in values[name].items()}
        return cls(**{**values, "layouts": by_number("layouts", lambda v: Layout(**v)),
                      "boxes": by_number("boxes", lambda v: Box(*map(tuple, v))), "tags": by_number("tags"),
                      **{name: [Dump(**d) for d in values[name]] for name in ("fetches", "dumps")}})


@dataclass
class Program:
    """A model compiled for one configuration.

    Members
    -------
    model : str, name
    config : Config
    graph : Graph; constants only where the host needs them, or writes them to the chip
    weights : list of uint8 arrays (rows, cols), images of the weight memory: one, if all weights fit
    instructions : list of bytes, images of the instruction buffer
    owners : list of int arrays: for each image, number of the operator that each instruction belongs to, -1 if to none
    steps : list of Step
    layers : list of LayerInfo, one an operator
    """
    model: str
    config: Config
    graph: Graph
    weights: list
    instructions: list
    owners: list
    steps: list
    layers: list

    def traffic(self):
        """Bytes that cross the link in one inference, by what they are; inputs go to the chip, outputs come from it.

        Instructions and weights that all fit are sent once before the first inference, and not counted.
        """
        def images(which, sizes):
            order = [getattr(step, which) for step in self.steps if step.operator is None]
            # What the inference before has left is not what the first step of the next one needs.
            before = order[-1:] + order[:-1]
            return sum(sizes[image] for image, last in zip(order, before) if image != last)
        runs = [step for step in self.steps if step.operator is None]
        return {"instructions": images("code", [len(image) for image in self.instructions]),
                "weights": images("weights", [image.nbytes for image in self.weights]),
                "inputs": sum(step.layouts[t].size for step in runs
                              for t in (*step.writes, *(fetch.tensor for fetch in step.fetches))),
                "outputs": sum(step.layouts[t].size for step in runs
                               for t in (*step.reads, *(dump.tensor for dump in step.dumps)))}

    def to_bytes(self):
        """The file's bytes."""
        used = {i for step in self.steps if step.operator is not None
                for i in self.graph.operators[step.operator].inputs}
        used.update(self.graph.outputs)
        used.update(t for step in self.steps for t in (*step.writes, *(fetch.tensor for fetch in step.fetches)))
        arrays = {f"weights{n}": image for n, image in enumerate(self.weights)}
        for n, (code, owners) in enumerate(zip(self.instructions, self.owners)):
            arrays |= {f"instructions{n}": np.frombuffer(code, np.uint8), f"owners{n}": owners}
        tensors = []
        for t in self.graph.tensors:
            arrays[f"scale{t.index}"], arrays[f"zero_point{t.index}"] = t.scale, t.zero_point
            if t.data is not None and t.index in used:
                arrays[f"data{t.index}"] = t.data
            tensors.append({"name": t.name, "shape": t.shape, "dtype": np.dtype(t.dtype).str, "axis": t.axis})
        meta = {"model": self.model, "config": self.config.as_dict(), "tensors": tensors,
                "operators": [asdict(o) for o in self.graph.operators], "inputs": self.graph.inputs,
                "outputs": self.graph.outputs, "steps": [asdict(s) for s in self.steps],
                "layers": [asdict(layer) for layer in self.layers]}
        arrays["meta"] = np.frombuffer(json.dumps(meta, default=_plain).encode(), np.uint8)
        body = io.BytesIO()
        np.savez_compressed(body, **arrays)
        data = body.getvalue()
        return MAGIC + VERSION.to_bytes(2, "little") + hashlib.sha256(data).digest() + data

    @classmethod
    def from_bytes(cls, data, origin="program"):
        """The program in a file's bytes; `origin` names it in errors.

        Errors
        ------
        ProgramError
            If it is no program file, of another version, or damaged.
        """
        head = len(MAGIC) + 2
        if not data.startswith(MAGIC):
            raise ProgramError(f"{origin} is not a systolith program file")
        version = int.from_bytes(data[len(MAGIC):head], "little")
        if version != VERSION:
            raise ProgramError(f"{origin} is a program file of version {version}; this systolith reads {VERSION}")
        if hashlib.sha256(data[head + 32:]).digest() != data[head:head + 32]:
            raise ProgramError(f"{origin} is damaged: its checksum does not match its contents")
        with np.load(io.BytesIO(data[head + 32:]), allow_pickle=False) as arrays:
            arrays = dict(arrays)
        meta = json.loads(arrays["meta"].tobytes())
        tensors = [Tensor(index, t["name"], tuple(t["shape"]), np.dtype(t["dtype"]), arrays[f"scale{index}"],
                          arrays[f"zero_point{index}"], t["axis"], arrays.get(f"data{index}"))
                   for index, t in enumerate(meta["tensors"])]
        operators = [Operator(**o) for o in meta["operators"]]
        graph = Graph(meta["model"], tensors, operators, meta["inputs"], meta["outputs"])
        def images(name):
            return [arrays[f"{name}{n}"] for n in range(sum(key.startswith(name) for key in arrays))]
        return cls(model=meta["model"], config=Config(**meta["config"]), graph=graph, weights=images("weights"),
                   instructions=[image.tobytes() for image in images("instructions")], owners=images("owners"),
                   steps=[Step.from_dict(s) for s in meta["steps"]], layers=[LayerInfo(**i) for i in meta["layers"]])

    def save(self, path):
        """Writes the file, whole or not at all."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(self.to_bytes())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ProgramError(f"program file {path} cannot be written: {error.strerror}") from None

    @classmethod
    def load(cls, path):
        """Reads a file; `ProgramError` as `from_bytes`."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ProgramError(f"program file {path} cannot be read: {error.strerror}") from None
        return cls.from_bytes(data, f"program file {path}")

    def require(self, config):
        """Checks that the program was compiled for that configuration.

        Errors
        ------
        ProgramError
            Naming the first parameters that differ.
        """
        mine, other = self.config.as_dict(), config.as_dict()
        differ = [f"{name} {mine[name]} instead of {other[name]}" for name in mine
                  if name != "name" and mine[name] != other[name]]
        if differ:
            raise ProgramError(f"the program was compiled for configuration {self.config.name!r}, which differs from "
                               f"{config.name!r}: {', '.join(differ[:3])}")


def _plain(value):
    """Numbers and arrays of NumPy as JSON has them."""
    return value.tolist()
