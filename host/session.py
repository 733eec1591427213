"""Runs a program's inferences on a device."""

from dataclasses import dataclass, field

import numpy as np
from systolith.host.compiler.layout import image_of, image_shape, values_of
from systolith.rtl.packets import COUNTERS, Space

from .link import LineError
from .operators import evaluate

__all__ = ["Inference", "Session"]

_ATTEMPTS = 4


@dataclass
class Inference:
    """What one inference gave.

    Members
    -------
    outputs : dict from tensor number to array
    counters : dict, sums over the runs of the chip (`packets.COUNTERS`)
    layer_counters : list of dict or None, the same for each operator: from the end of the one before it to its own
    dumped : dict from tensor number to array, where the program dumps and for the host's operators
    """
    outputs: dict
    counters: dict
    layer_counters: list
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
        self._held = {}

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
        self._driver.hello()
        # A session that was broken off may have left a program running.
        self._driver.reset()
        self._program = program
        self._hold(Space.INSTRUCTIONS, program.instructions[0])
        self._hold(Space.WEIGHTS, program.weights[0].tobytes(), progress)

    def _hold(self, space, image, progress=None):
        """Writes an image to its memory, unless it is what was written there last."""
        if self._held.get(space) != image:
            self._held.pop(space, None)
            self._driver.write(space, 0, image, progress)
            self._held[space] = image

    def infer(self, inputs):
        """One inference; if the line loses a packet of it, all of it once more.

        Parameters
        ----------
        inputs : dict from input tensor number to array of its shape and type

        Returns
        -------
        Inference
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._infer(inputs)
            except LineError:
                self._driver.reset()
        return self._infer(inputs)

    def _infer(self, inputs):
        program, graph = self._program, self._program.graph
        constants = {tensor.index: tensor.data for tensor in graph.tensors if tensor.data is not None}
        values, dumped = {**constants, **inputs}, {}
        counters, layer_counters = dict.fromkeys(COUNTERS, 0), [None] * len(program.layers)
        before = counters  # as they were when the latest layer so far was done
        for step in program.steps:
            if step.operator is not None:
                operator = graph.operators[step.operator]
                results = dict(zip(operator.outputs, evaluate(graph, operator, values)))
                values.update(results)
                dumped.update(results)
                continue
            memory = bytearray(step.host_bytes)
            for fetch in step.fetches:
                image = image_of(step.layouts[fetch.tensor], self._part(step, fetch.tensor, values)).tobytes()
                memory[fetch.address:fetch.address + len(image)] = image
            status = self._run(step, values, memory)
            for index, snapshot in self._layer_ends(step):
                end, mine = _add(counters, snapshot), layer_counters[index] or dict.fromkeys(COUNTERS, 0)
                layer_counters[index] = {name: mine[name] + end[name] - before[name] for name in COUNTERS}
                before = end
            counters = _add(counters, status)
            for dump in step.dumps:
                self._unpack(step, dump.tensor, memory[dump.address:], values)
            dumped.update((tensor, values[tensor]) for tensor in (*step.reads, *(dump.tensor for dump in step.dumps)))
        return Inference({t: values[t] for t in graph.outputs}, counters, layer_counters, dumped)

    def _run(self, step, values, memory):
        """One run of the chip with what goes to it and comes from it; returns the status."""
        self._hold(Space.INSTRUCTIONS, self._program.instructions[step.code])
        self._hold(Space.WEIGHTS, self._program.weights[step.weights].tobytes())
        for tensor in step.writes:
            layout = step.layouts[tensor]
            image = image_of(layout, self._part(step, tensor, values))
            self._driver.write(Space.UNIFIED_BUFFER, layout.base, image.tobytes())
        status = self._driver.run(step.address, memory)
        for tensor in step.reads:
            layout = step.layouts[tensor]
            self._unpack(step, tensor, self._driver.read(Space.UNIFIED_BUFFER, layout.base, layout.size), values)
        return status

    def _part(self, step, tensor, values):
        """What of a tensor takes part in a step: a view (height, width, channels)."""
        image = values[tensor].reshape(image_shape(values[tensor].shape))
        return image[step.boxes[tensor].index] if tensor in step.boxes else image

    def _unpack(self, step, tensor, data, values):
        """Takes a tensor, or the part of it that the step has, from the bytes of its storage."""
        layout = step.layouts[tensor]
        values.setdefault(tensor, np.empty(self._program.graph.tensors[tensor].shape, np.int8))
        part = self._part(step, tensor, values)
        part[:] = values_of(layout, data[:layout.size]).reshape(part.shape)

    def _layer_ends(self, step):
        """(operator, counters when it was done) of a run, in the order of time; none on a device without time."""
        if not step.tags:
            return []
        tags = self._driver.tags(max(step.tags.values()) + 1)
        ends = [(index, tags[tag]) for index, tag in step.tags.items() if tags[tag]["cycles"]]
        return sorted(ends, key=lambda end: end[1]["cycles"])


def _add(counters, others):
    return {name: counters[name] + others[name] for name in COUNTERS}
