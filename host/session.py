"""Runs a program's inferences on a device."""

from dataclasses import dataclass, field

import numpy as np
from systolith.host.compiler.layout import image_of, values_of
from systolith.rtl.packets import Space

from .operators import evaluate

__all__ = ["Inference", "Session"]


@dataclass
class Inference:
    """What one inference gave.

    Members
    -------
    outputs : dict from tensor number to array
    counters : dict, sums over the runs of the chip (`packets.COUNTERS`)
    layer_cycles : list of int or None, cycles of each operator: from the end of the one before it to its own
    dumped : dict from tensor number to array, where the program dumps and for the host's operators
    """
    outputs: dict
    counters: dict
    layer_cycles: list
    dumped: dict = field(default_factory=dict)


class Session:
    """A chip and the program that is loaded into it.

    Parameters
    ----------
    driver : Driver
    """

    def __init__(self, driver):
        self._driver = driver
        self._program = None

    def load(self, program, progress=None):
        """Sends a program to the chip.

        Parameters
        ----------
        program : Program
            Must be compiled for the driver's configuration (`ProgramError` otherwise).
        progress : callable (done, total) or None
            Called while the weights are sent, in bytes.
        """
        program.require(self._driver.config)
        previous, self._program = self._program, program
        self._driver.write(Space.INSTRUCTIONS, 0, program.instructions)
        if previous is None or not np.array_equal(previous.weights, program.weights):
            self._driver.write(Space.WEIGHTS, 0, program.weights.tobytes(), progress)

    def infer(self, inputs):
        """One inference.

        Parameters
        ----------
        inputs : dict from input tensor number to array of its shape and type

        Returns
        -------
        Inference
        """
        program, graph = self._program, self._program.graph
        values = dict(inputs)
        counters, ends, dumped = {}, {}, {}
        memory = bytearray(sum(program.layouts[d.storage].size for d in program.dumps))
        for step in program.steps:
            if step.operator is not None:
                operator = graph.operators[step.operator]
                results = evaluate(graph, operator, values)
                values.update(zip(operator.outputs, results))
                dumped.update(zip(operator.outputs, results))
                continue
            for tensor in step.writes:
                layout = program.layouts[tensor]
                self._driver.write(Space.UNIFIED_BUFFER, layout.base, image_of(layout, values[tensor]).tobytes())
            status = self._driver.run(step.address, memory)
            offset = counters.get("cycles", 0)
            for name, value in status.items():
                if name not in ("state", "fault", "fault_address"):
                    counters[name] = counters.get(name, 0) + value
            ends.update(self._layer_ends(step, offset))
            for tensor in step.reads:
                layout = program.layouts[tensor]
                data = self._driver.read(Space.UNIFIED_BUFFER, layout.base, layout.size)
                values[tensor] = self._unpack(tensor, data)
        for dump in program.dumps:
            data = memory[dump.address:dump.address + program.layouts[dump.storage].size]
            dumped[dump.tensor] = self._unpack(dump.tensor, data)
        return Inference({t: values[t] for t in graph.outputs}, counters, self._layer_cycles(ends), dumped)

    def _unpack(self, tensor, data):
        """The tensor in the bytes of its storage."""
        values = values_of(self._program.layouts[tensor], data)
        return values.reshape(self._program.graph.tensors[tensor].shape)

    def _layer_ends(self, step, offset):
        """Cycle in which each tagged layer of a run was done."""
        program = self._program
        run = [i for s, i in self._owners() if s is step and program.layers[i].tag is not None]
        if not run:
            return {}
        tags = self._driver.tags(max(program.layers[i].tag for i in run) + 1)
        return {i: offset + tags[program.layers[i].tag]["cycles"] for i in run}

    def _owners(self):
        """(step, operator) for every operator, in order."""
        steps = iter(self._program.steps)
        current = None
        for index, layer in enumerate(self._program.layers):
            if layer.unit == "host" or current is None or current.operator is not None:
                current = next(steps)
            yield current, index

    def _layer_cycles(self, ends):
        """Cycles of each operator: what it added to the end of all before it.

        None for the host's and untagged ones, and on a device without time."""
        cycles, last = [], 0
        for index in range(len(self._program.layers)):
            if ends.get(index):
                cycles.append(max(0, ends[index] - last))
                last = max(last, ends[index])
            else:
                cycles.append(None)
        return cycles
