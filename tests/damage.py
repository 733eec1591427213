"""Damaged .tflite files: refused in a sentence, or as good as any."""

import math

import numpy as np
from random_operators import stimulus
from systolith.host import tflite
from systolith.host.graph import ModelError
from systolith.host.operators import evaluate

__all__ = ["refused_after_damage"]


def refused_after_damage(rng, content):
    """Whether a file is refused, in one line, after a byte or two were overwritten; if not, it is evaluated."""
    content = np.frombuffer(content, np.uint8).copy()
    places = rng.integers(0, len(content), rng.integers(1, 3))
    content[places] = rng.choice([0, 1, 2, 4, 0x7F, 0x80, 0xFF], len(places))
    try:
        graph = tflite.parse(content.tobytes())
    except ModelError as error:
        assert "\n" not in str(error)
        return True
    if max(math.prod(tensor.shape) for tensor in graph.tensors) <= 1 << 20:
        values = {index: stimulus(rng, graph, index) for index in graph.inputs}
        for operator in graph.operators:
            for index, result in zip(operator.outputs, evaluate(graph, operator, values), strict=True):
                values[index] = result
                assert result.shape == graph.tensors[index].shape
    return False
