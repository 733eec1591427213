"""Compares an inference with the reference of the model's own framework, operator by operator."""

import weakref
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np

from .oracle import OracleError, reference_outputs
from .tflite.settled_file import settled_bytes

__all__ = ["ExactCheck", "OnnxCheck"]


class ExactCheck:
    """Every element of every operator equals TensorFlow Lite Micro's reference kernels.

    Parameters
    ----------
    graph : Graph
    model : bytes of the .tflite file

    Members
    -------
    mismatches : list of dict
        For each operator of each input that differs: input, operator, op, tensor, element (of the first difference),
        value, expected, count (of elements that differ). Operators in order, then the outputs of the program that
        does not send its tensors to the host.
    """

    def __init__(self, graph, model):
        self._graph, self._model = graph, settled_bytes(model, graph)
        self._inputs = 0
        # The interpreter ends its process on models that it cannot hold: not this one.
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))
        weakref.finalize(self, self._pool.shutdown)  # left to itself it may race with the end of this process
        self.mismatches = []

    def compare(self, inputs, dumped, outputs):
        """Takes one inference: its inputs, every operator's output, and the model's outputs, by tensor number."""
        graph = self._graph
        try:
            reference = self._pool.submit(reference_outputs, self._model, [inputs[i] for i in graph.inputs]).result()
        except BrokenProcessPool:
            raise OracleError("there is nothing to check against: TensorFlow Lite Micro aborts on this model") from None
        makers = {t: operator for operator in graph.operators for t in operator.outputs}
        for values in (dumped, outputs):
            for tensor, operator in makers.items():
                if tensor in values and (found := self._compare(operator, tensor, values[tensor], reference[tensor])):
                    self.mismatches.append(found)
        self._inputs += 1

    def _compare(self, operator, tensor, value, expected):
        value, expected = np.asarray(value), np.asarray(expected)
        if value.dtype == expected.dtype and value.size == expected.size and np.array_equal(
                value.reshape(-1), expected.reshape(-1), equal_nan=value.dtype.kind == "f"):
            return None
        expected = expected.reshape(value.shape)
        wrong = np.argwhere(value != expected)
        first = tuple(int(i) for i in wrong[0]) if len(wrong) else ()
        return {"input": self._inputs, "operator": operator.index, "op": operator.kind,
                "tensor": self._graph.tensors[tensor].name, "element": list(first), "value": value[first].item(),
                "expected": expected[first].item(), "count": len(wrong)}

    @property
    def failed(self):
        """Whether anything differed."""
        return bool(self.mismatches)

    def facts(self):
        """What the report says of it."""
        return {"outputs_equal": not self.mismatches, "mismatches": sum(m["count"] for m in self.mismatches),
                "first_mismatch": self.mismatches[0] if self.mismatches else None}

    def sentence(self):
        """The same for people."""
        if not self.failed:
            return f"every operator's output equals the reference interpreter's, {self._inputs} input(s) compared"
        m, total = self.mismatches[0], self.facts()["mismatches"]
        return (f"{total} elements differ; first: input {m['input']}, operator {m['operator']} ({m['op']}), tensor "
                f"{m['tensor']!r}, element {m['element']}: {m['value']} instead of {m['expected']}")


class OnnxCheck:
    """No operator differs from ONNX Runtime by more than one unit of the last place by its own doing.

    ONNX defines a quantised operator in floats; the chip computes in integers, as TensorFlow Lite does.

    Parameters
    ----------
    graph : Graph
    path : path of the .onnx file
    """

    def __init__(self, graph, path):
        self._graph, self._path = graph, path
        self._inputs = self._largest = self._own = self._elements = 0
        self._worst = None

    def compare(self, inputs, dumped, outputs):
        """Takes one inference: its inputs, every operator's output, and the model's outputs, by tensor number."""
        from .oracle_onnx import differences, reference_outputs

        reference = reference_outputs(self._path, [inputs[i] for i in self._graph.inputs])
        for values in ({**dumped}, {**dumped, **outputs}):
            for difference in differences(self._graph, inputs, values, reference):
                if difference.largest > self._largest:
                    self._largest, self._worst = difference.largest, difference
                self._own = max(self._own, difference.own)
                self._elements += difference.count
        self._inputs += 1

    @property
    def failed(self):
        """Whether an operator differs by more than one unit where its inputs do not."""
        return self._own > 1

    def facts(self):
        """What the report says of it."""
        worst = self._worst and {"operator": self._worst.operator, "op": self._worst.op, "tensor": self._worst.tensor}
        return {"outputs_equal": self._elements == 0, "mismatches": self._elements, "first_mismatch": None,
                "largest_difference_lsb": self._largest, "largest_own_difference_lsb": self._own, "worst": worst}

    def sentence(self):
        """The same for people."""
        text = (f"largest difference from ONNX Runtime over {self._inputs} input(s): {self._largest} LSB, of which an "
                f"operator's own rounding makes {self._own} at most")
        return text + (f"; largest at operator {self._worst.operator} ({self._worst.op})" if self._worst else "")
