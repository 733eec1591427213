"""The comparison with ONNX Runtime: what it says of a difference, and models as its quantiser makes them."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_compared import evaluated
from onnx_model_builder import QdqModel
from onnxruntime import quantization
from systolith.host import onnx_qdq
from systolith.host.compiler.compile import compile_graph
from systolith.host.graph import ModelError
from systolith.host.inputs import random_inputs
from systolith.host.models import load_model
from systolith.host.operators import evaluate
from systolith.host.oracle_onnx import differences, reference_outputs
from systolith.host.run import run_model
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice


@pytest.fixture
def two_products():
    """Bytes of a model of two products, the second of which multiplies by three."""
    model = QdqModel()
    x = model.qdq(model.input((1, 2)), 0.1, 0)
    identity = model.weights(None, data=np.diag([100, 100]))
    triple = model.weights(None, scale=0.03, data=np.diag([100, 100]))
    hidden = model.qdq(model.node("MatMul", [x, identity]), 0.1, 0)
    return model.proto(model.qdq(model.node("MatMul", [hidden, triple]), 0.1, 0)).SerializeToString()


def test_a_difference_is_the_operators_own_or_passed_on(two_products):
    graph = onnx_qdq.parse(two_products)
    inputs = {graph.inputs[0]: np.float32([[1, -2]])}
    reference = reference_outputs(two_products, list(inputs.values()))
    _, first, second, last = graph.operators
    computed = evaluated(graph, inputs)
    assert computed[second.outputs[0]].tolist() == [[30, -60]]
    assert [d.largest for d in differences(graph, inputs, computed, reference)] == [0, 0, 0, 0]
    # An error of two units after the first product is six after the second, none of them its own.
    computed = evaluated(graph, inputs)
    computed[first.outputs[0]] = computed[first.outputs[0]] + np.int8([2, 0])
    for operator in (second, last):
        computed[operator.outputs[0]], = evaluate(graph, operator, computed)
    found = differences(graph, inputs, computed, reference)
    assert [(d.op, d.largest, d.own, d.count) for d in found] == [
        ("QUANTIZE", 0, 0, 0), ("FULLY_CONNECTED", 2, 0, 1), ("FULLY_CONNECTED", 6, 0, 1), ("DEQUANTIZE", 6, 0, 1)]


def test_an_operator_that_computes_something_else_is_found(two_products):
    graph = onnx_qdq.parse(two_products)
    inputs = {graph.inputs[0]: np.float32([[1, -2]])}
    reference = reference_outputs(two_products, list(inputs.values()))
    graph.tensors[graph.operators[1].inputs[1]].data[0, 0] = 80
    found = differences(graph, inputs, evaluated(graph, inputs), reference)
    assert [(d.largest, d.own) for d in found] == [(0, 0), (2, 2), (6, 0), (6, 0)]


def test_reference_refuses_what_it_cannot_execute(two_products, monkeypatch):
    with pytest.raises(ModelError, match="ONNX Runtime does not execute the model: "):
        reference_outputs(two_products, [np.zeros((3, 3), np.float32)])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"pip install 'systolith\[onnx\]'"):
        reference_outputs(two_products, [np.zeros((1, 2), np.float32)])


def test_models_are_read_by_their_front_end(two_products, digits, tmp_path, monkeypatch):
    path = tmp_path / "two.onnx"
    path.write_bytes(two_products)
    assert [o.kind for o in load_model(path).operators] == ["QUANTIZE", "FULLY_CONNECTED", "FULLY_CONNECTED",
                                                            "DEQUANTIZE"]
    assert load_model(digits / "digits.tflite").operators[0].kind == "CONV_2D"
    for name in [name for name in sys.modules if name.startswith("systolith.host.onnx_qdq")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"two\.onnx needs the package onnx: pip install 'systolith\[onnx\]'"):
        load_model(path)


def float_network(rng):
    """A float model of every operator that quantisers meet most."""
    initializers = []

    def weights(*shape):
        values = rng.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))
        initializers.append(numpy_helper.from_array(values.astype(np.float32), f"w{len(initializers)}"))
        return initializers[-1].name

    nodes = [
        helper.make_node("Conv", ["x", weights(8, 3, 3, 3), weights(8)], ["c1"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", weights(8, 1, 3, 3), weights(8)], ["c2"], pads=[1] * 4, group=8),
        helper.make_node("Add", ["r1", "c2"], ["a"]),
        helper.make_node("Relu", ["a"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("AveragePool", ["m"], ["p"], kernel_shape=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", weights(10, 72), weights(10)], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"])]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("activation", ["QInt8", "QUInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_model_from_onnx_runtimes_quantiser(activation, per_channel, tmp_path):
    rng = np.random.default_rng(3)

    class Samples(quantization.CalibrationDataReader):
        def __init__(self):
            self._samples = iter([{"x": rng.normal(size=(1, 3, 16, 16)).astype(np.float32)} for _ in range(8)])

        def get_next(self):
            return next(self._samples, None)

    path = tmp_path / "net.onnx"
    onnx.save(float_network(rng), path)
    quantization.quantize_static(path, path, Samples(), quant_format=quantization.QuantFormat.QDQ,
                                 activation_type=getattr(quantization.QuantType, activation),
                                 weight_type=quantization.QuantType.QInt8, per_channel=per_channel)
    graph, config = load_model(path), PRESETS["nano"]
    inputs = random_inputs(graph, 3, seed=2)
    results = run_model(graph, compile_graph(graph, config), ModelDevice(config), inputs)
    for values, result in zip(inputs, results):
        computed = evaluated(graph, values)
        np.testing.assert_array_equal(result.outputs[graph.outputs[0]], computed[graph.outputs[0]])
        found = differences(graph, values, computed, reference_outputs(path, list(values.values())))
        assert max(d.own for d in found) <= 1 and max(d.largest for d in found) <= 2
        assert found[-1].tensor == "y"


def test_differences_of_floats_and_of_what_is_no_number():
    """An output in floats is as good as equal; what is no number differs from all but itself."""
    model = QdqModel()
    proto = model.proto(model.node("Softmax", [model.qdq(model.input((3, 4)), 0.5)], axis=0))
    graph = onnx_qdq.parse(proto.SerializeToString())
    (values,), (index,) = random_inputs(graph), graph.outputs
    computed, name = evaluated(graph, values), graph.tensors[index].name
    right = computed[index]

    def largest(expected):
        difference = differences(graph, values, computed, {name: expected})[-1]
        assert difference.largest == difference.own
        return difference.own

    assert largest(right * np.float32(1 + 1e-6)) == 0
    assert largest(right[::-1]) > 100
    assert largest(np.where(np.arange(4) < 2, np.nan, right).astype(np.float32)) == 2 ** 31 - 1
    computed[index] = np.full_like(right, np.inf)
    assert differences(graph, values, computed, {name: np.full_like(right, np.inf)})[-1].largest == 0


def test_integers_of_floats_are_equal():
    model = QdqModel()
    found = model.node("ArgMax", [model.qdq(model.input((5, 4)), 0.5)], axis=1)
    graph = onnx_qdq.parse(model.proto(found, dtype=np.int64).SerializeToString())
    values, = random_inputs(graph)
    computed = evaluated(graph, values)
    for step, own in ((0, 0), (1, 2)):
        expected = {found: computed[graph.outputs[0]] + step}
        assert differences(graph, values, computed, expected)[-1].own == own
