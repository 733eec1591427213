"""Runs a model on a device and reports what came out, how long it took and whether it was right."""

import numpy as np

from .compiler.compile import compile_graph
from .driver import Driver
from .oracle import reference_outputs
from .session import Session

__all__ = ["check_dumps", "describe", "run_model"]


def run_model(graph, program, device, inputs, model=None, progress=None):
    """Runs every input, and with `model` a second time with every operator's output compared to the reference.

    Parameters
    ----------
    graph : Graph
    program : Program
    device : Device
        A chip of the program's configuration.
    inputs : list of dicts from tensor number to array
    model : bytes or None
        The model's file, for the reference interpreter.
    progress : callable (text, done, total) or None

    Returns
    -------
    (list of Inference, list of dict or None)
        The mismatches as `check_dumps` gives them, in order; None if nothing was compared.
    """
    def say(text):
        return None if progress is None else lambda done, total: progress(text, done, total)

    with Driver(device, program.config) as driver:
        session = Session(driver)
        session.load(program, say("load"))
        results = []
        for number, values in enumerate(inputs):
            results.append(session.infer(values))
            if progress:
                progress("run", number + 1, len(inputs))
        if model is None:
            return results, None
        session.load(compile_graph(graph, program.config, dump=True))
        mismatches = []
        for number, (values, result) in enumerate(zip(inputs, results)):
            reference = reference_outputs(model, [values[i] for i in graph.inputs])
            dumped = session.infer(values).dumped
            for mismatch in (*check_dumps(graph, dumped, reference), *check_outputs(graph, result.outputs, reference)):
                mismatches.append({"input": number, **mismatch})
            if progress:
                progress("check", number + 1, len(inputs))
        return results, mismatches


def check_dumps(graph, dumped, reference):
    """Compares every operator's output with the reference.

    Returns
    -------
    list of dict
        For each operator whose output differs: operator, op, tensor, element (index of the first), value, expected,
        count (elements that differ).
    """
    return [mismatch for operator in graph.operators for tensor in operator.outputs
            if (mismatch := _compare(graph, operator, tensor, dumped[tensor], reference[tensor]))]


def check_outputs(graph, outputs, reference):
    """The same for the model's outputs as the program without dumps gave them."""
    makers = {t: operator for operator in graph.operators for t in operator.outputs}
    return [mismatch for tensor, value in outputs.items()
            if (mismatch := _compare(graph, makers[tensor], tensor, value, reference[tensor]))]


def _compare(graph, operator, tensor, value, expected):
    value, expected = np.asarray(value), np.asarray(expected)
    if value.dtype == expected.dtype and value.size == expected.size and np.array_equal(
            value.reshape(-1), expected.reshape(-1), equal_nan=value.dtype.kind == "f"):
        return None
    expected = expected.reshape(value.shape)
    wrong = np.argwhere(value != expected)
    first = tuple(int(i) for i in wrong[0]) if len(wrong) else ()
    return {"operator": operator.index, "op": operator.kind, "tensor": graph.tensors[tensor].name,
            "element": list(first), "value": value[first].item(), "expected": expected[first].item(),
            "count": len(wrong)}


def describe(program, device, results, mismatches):
    """The facts of a run under the names that `--json` prints."""
    counters = results[0].counters
    layers = [{"name": info.name, "op": info.op, "unit": info.unit, "cycles": cycles, "macs": info.macs,
               "utilisation": _ratio(info.macs, cycles, program.config.macs)}
              for info, cycles in zip(program.layers, results[0].layer_cycles)]
    macs = sum(info.macs for info in program.layers)
    cycles = counters.get("cycles") or None
    return {
        "model": program.model, "config": program.config.name, "device": device, "inputs": len(results),
        "outputs_equal": None if mismatches is None else not mismatches,
        "mismatches": None if mismatches is None else sum(m["count"] for m in mismatches),
        "first_mismatch": mismatches[0] if mismatches else None,
        "cycles": cycles, "ideal_cycles": -(-macs // program.config.macs),
        "utilisation": _ratio(macs, cycles, program.config.macs),
        "counters": counters if cycles else None, "layers": layers,
        "host_operators": [{"name": i.name, "op": i.op, "reason": i.reason}
                           for i in program.layers if i.unit == "host"],
    }


def _ratio(macs, cycles, per_cycle):
    return round(macs / (cycles * per_cycle), 4) if cycles and macs else None
