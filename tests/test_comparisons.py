"""Comparisons, truth values and choices: exact on the host, and a table where they are a function of one tensor."""

import numpy as np
import pytest
from damage import refused_after_damage
from model_builder import Spec, constant, model, serialise
from network_builder import Network
from systolith.host import tflite
from systolith.host.compiler.compile import compile_graph
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.operators import evaluate
from systolith.host.oracle import reference_outputs
from systolith.host.run import run_model
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice

BOOL = dict(dtype=np.bool_, scale=None)


def equal_to_reference(content, seed=0):
    """The graph, after each operator was compared with the reference interpreter, and the outputs with the chip."""
    graph, config = tflite.parse(content), PRESETS["nano"]
    inputs, = random_inputs(graph, seed=seed)
    expected = reference_outputs(content, list(inputs.values()))
    values = dict(inputs)
    for operator in graph.operators:
        index, = operator.outputs
        values[index], = evaluate(graph, operator, values)
        np.testing.assert_array_equal(values[index], expected[index].reshape(values[index].shape), operator.kind)
    program = compile_graph(graph, config)
    result, = run_model(program.graph, program, ModelDevice(config), [inputs])
    for index in graph.outputs:
        np.testing.assert_array_equal(result.outputs[index], values[index])
    return program


def choices(rng):
    """Bytes of a model with every kind of operator on truth values but negation, of shapes that broadcast."""
    whole = tuple(rng.integers(1, 5, rng.integers(1, 5)).tolist())
    a, b = (tuple(np.where(rng.integers(0, 2, len(whole)), whole, 1).tolist()) for _ in range(2))
    both, same = np.broadcast_shapes(a, b), dict(scale=0.03, zero_point=3)
    tensors = [Spec(a, 0.02, 5), Spec(b, 0.03, -7), Spec(a, 0.05, 3), Spec(b, **same), Spec(whole, **same),
               *(Spec(shape, **BOOL) for shape in (both, both, both, a, both)), Spec(whole, **same)]
    operators = [("GREATER", [0, 1], [5], None), ("LESS_EQUAL", [2, 3], [6], None), ("LOGICAL_OR", [5, 6], [7], None),
                 ("NOT_EQUAL", [0, 2], [8], None), ("LOGICAL_AND", [7, 8], [9], None),
                 ("SELECT_V2", [9, 3, 4], [10], ("SelectV2Options", {}))]
    return serialise(model(tensors, operators, [0, 1, 2, 3, 4], [10]))


@pytest.mark.parametrize("seed", range(20))
def test_choices_between_tensors(seed):
    equal_to_reference(choices(np.random.default_rng(seed)), seed)


def test_damage_is_refused_or_harmless():
    rng = np.random.default_rng(5)
    refused = [refused_after_damage(rng, choices(rng)) for _ in range(300)]
    assert any(refused) and not all(refused)


def test_negation():
    tensors = [Spec((3, 50), 0.02, 5), Spec((3, 50), 0.02, 5), Spec((3, 50), **BOOL), Spec((3, 50), **BOOL),
               Spec((3, 50), 0.02, 5)]
    operators = [("EQUAL", [0, 1], [2], None), ("LOGICAL_NOT", [2], [3], ("LogicalNotOptions", {})),
                 ("SELECT_V2", [3, 0, 1], [4], None)]
    equal_to_reference(serialise(model(tensors, operators, [0, 1], [4])))


def scalar(network, number):
    return network.tensor((), data=np.array(number, np.int8))


def test_a_function_of_one_tensor_becomes_the_convolutions_table():
    """SELU, as TensorFlow writes it."""
    network = Network(3, (1, 6, 6, 4))
    x = network.convolution(network.input, 8, 3)
    shape = network.shape(x)
    positive = network.add("GREATER", [x, scalar(network, 2)], shape, **BOOL)
    left = network.add("MUL", [x, scalar(network, 52)], shape, ("MulOptions", {}), scale=0.03, zero_point=-4)
    right = network.add("ELU", [x], shape, scale=0.025)
    right = network.add("MUL", [right, scalar(network, 90)], shape, ("MulOptions", {}), scale=0.03, zero_point=-4)
    y = network.add("SELECT_V2", [positive, left, right], shape, scale=0.03, zero_point=-4)
    program = equal_to_reference(network.serialise(y))
    assert [layer.op for layer in program.layers] == ["CONV_2D"]


def test_truth_values_that_others_need_stay():
    network = Network(4, (1, 4, 4, 8))
    x = network.convolution(network.input, 8, 1)
    shape = network.shape(x)
    positive = network.add("GREATER", [x, scalar(network, 2)], shape, **BOOL)
    y = network.add("SELECT_V2", [positive, x, network.input], shape, scale=0.02)
    program = equal_to_reference(network.serialise(y))
    assert [layer.op for layer in program.layers] == ["CONV_2D", "GREATER", "SELECT_V2"]
    network = Network(4, (1, 4, 4, 8))
    x = network.convolution(network.input, 8, 1)
    positive = network.add("GREATER", [x, scalar(network, 2)], shape, **BOOL)
    program = equal_to_reference(network.serialise(positive))
    assert [layer.op for layer in program.layers] == ["CONV_2D", "GREATER"]


@pytest.mark.parametrize("tensors, operator, message", [
    ([Spec((4,), **BOOL), Spec((4,), **BOOL)], ("LOGICAL_NOT", [0], [1], None), "has bool activations (tensor 0)"),
    ([Spec((4,)), Spec((4,)), Spec((4,))], ("GREATER", [0, 1], [2], None), "compares into int8, expected bool"),
    ([Spec((4,), 1.5), Spec((4,)), Spec((4,), **BOOL)], ("GREATER", [0, 1], [2], None), "compares scales of 1 or more"),
    ([Spec((4,)), Spec((3,)), Spec((4,), **BOOL)], ("LESS", [0, 1], [2], None), "which do not broadcast"),
    ([Spec((4,)), Spec((4,)), Spec((4,)), Spec((4,))], ("SELECT_V2", [0, 1, 2], [3], None), "has a condition of int8"),
    ([Spec((4,)), Spec((4,), **BOOL)], ("ABS", [0], [1], None), "has bool activations (tensor 1)"),
    ([constant([True, False], np.bool_), Spec((2,)), Spec((2,)), Spec((2,))], ("SELECT_V2", [0, 1, 2], [3], None),
     "has a bool constant (tensor 0)"),
])
def test_truth_values_in_other_places_are_refused(tensors, operator, message):
    kind, sources, sinks, options = operator
    inputs = [index for index in sources if tensors[index].data is None]
    with pytest.raises(ModelError) as caught:
        tflite.parse(serialise(model(tensors, [(kind, sources, sinks, options)], inputs, sinks)))
    assert message in str(caught.value)
