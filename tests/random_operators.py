"""Random models of a single operator (sizes, scales, zero points, options), and random inputs."""

import math

import numpy as np
from random_contractions import RandomContractions
from random_elementwise import RandomElementwise
from random_movement import RandomMovement

__all__ = ["EVERY_INT8", "Random", "stimulus"]

EVERY_INT8 = np.arange(-128, 128, dtype=np.int8)


def stimulus(rng, graph, index):
    """Random input, or each int8 once where it fits; floats reach beyond what int8 can hold."""
    tensor = graph.tensors[index]
    if tensor.dtype == np.float32:
        return rng.normal(0, 10, tensor.shape).astype(np.float32)
    if math.prod(tensor.shape) == EVERY_INT8.size:
        return EVERY_INT8.reshape(tensor.shape)
    return rng.integers(-128, 128, tensor.shape).astype(np.int8)


class Random(RandomContractions, RandomElementwise, RandomMovement):
    """A source of random models.

    Each method named like an operator gives (inputs, output or list of outputs, options), as `one_operator` takes them.

    Parameters
    ----------
    seed : int
    """
