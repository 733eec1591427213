"""Runs a model on a device and reports what came out and how long it took."""

from .compiler.compile import compile_graph
from .driver import Driver
from .session import Session

__all__ = ["breakdown", "describe", "run_model", "streaming"]


def run_model(graph, program, device, inputs, check=None, progress=None):
    """Runs every input, and with `check` a second time with every operator's output sent to the host.

    Parameters
    ----------
    graph : Graph
    program : Program
    device : Device
        A chip of the program's configuration.
    inputs : list of dicts from tensor number to array
    check : ExactCheck, OnnxCheck or None
        Is given every inference.
    progress : callable (text, done, total) or None

    Returns
    -------
    list of Inference
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
        if check is not None:
            session.load(compile_graph(graph, program.config, dump=True))
            for number, (values, result) in enumerate(zip(inputs, results)):
                check.compare(values, session.infer(values).dumped, result.outputs)
                if progress:
                    progress("check", number + 1, len(inputs))
        return results


def describe(program, device, results, check=None):
    """The facts of a run under the names that `--json` prints."""
    counters = results[0].counters
    layers = [{"name": info.name, "op": info.op, "unit": info.unit, "cycles": found and found["cycles"],
               "macs": info.macs, "utilisation": _ratio(info.macs, found and found["cycles"], program.config.macs),
               "counters": found, "breakdown": breakdown(found) if found else None}
              for info, found in zip(program.layers, results[0].layer_counters)]
    macs = sum(info.macs for info in program.layers)
    cycles = counters.get("cycles") or None
    return {
        "model": program.model, "config": program.config.name, "device": device, "inputs": len(results),
        **(check.facts() if check else {"outputs_equal": None, "mismatches": None, "first_mismatch": None}),
        "cycles": cycles, "ideal_cycles": -(-macs // program.config.macs),
        "utilisation": _ratio(macs, cycles, program.config.macs),
        "counters": counters if cycles else None,
        "breakdown": breakdown(counters) if cycles else None,
        "layers": layers,
        "host_operators": [{"name": i.name, "op": i.op, "reason": i.reason}
                           for i in program.layers if i.unit == "host"],
        **streaming(program),
    }


def streaming(program):
    """What it takes that a program does not fit the chip: operators executed in parts, runs, bytes of an inference."""
    return {"streamed": [{"operator": number, "name": info.name, "op": info.op, "parts": info.parts,
                          "group": info.group}
                         for number, info in enumerate(program.layers) if info.parts],
            "runs": sum(step.operator is None for step in program.steps), "traffic": program.traffic()}


def breakdown(counters):
    """Where the cycles went, in percent of them, by the rows of TPU v1's Table 3 (Jouppi et al., ISCA 2017).

    array_active, weight_stall, weight_shift and non_matrix add up to 100, useful_macs and unused_macs to array_active.
    At the end of a layer the chip has counted some cycles as active, though not yet what was useful in them.
    """
    def share(name):
        return round(100 * counters[name] / counters["cycles"], 2) if counters["cycles"] else 0.0

    active, stall, shift = (share(name) for name in ("array_active", "weight_stall", "weight_shift"))
    useful = min(active, share("useful_macs"))
    # Rounding may leave -0.0, which is 0.0 with 0.0 added.
    return {"array_active": active, "useful_macs": useful, "unused_macs": round(active - useful, 2),
            "weight_stall": stall, "weight_shift": shift, "non_matrix": round(100 - active - stall - shift, 2) + 0.0,
            "raw_stall": share("raw_stall"), "input_stall": share("input_stall")}


def _ratio(macs, cycles, per_cycle):
    return round(macs / (cycles * per_cycle), 4) if cycles and macs else None
