"""TPU v1's small siblings: its array, buffers and memory bandwidth scaled down so far that the RTL can be simulated."""

from dataclasses import replace

from systolith.rtl.config import load_config

from .bench_v1 import WEIGHT_RATE
from .compiler.compile import compile_graph
from .driver import Driver
from .inputs import random_inputs
from .prediction import predict, total
from .run import breakdown
from .session import Session
from .workloads import WORKLOADS, build

__all__ = ["compare", "sibling", "sibling_bench"]


def sibling(scale):
    """TPU v1 with the sides of its array, its accumulators and its weight memory's rate divided by `scale`.

    Layers and batches divided by as much (`workloads.build`) then meet the same ratios.
    """
    v1 = load_config("v1")
    side = v1.cols // scale
    # Without the vector unit, which these networks have no use for. All weights of CNN1 take 2 to 3 MB.
    return replace(v1, name=f"v1-{side}", rows=side, cols=side, requantise_lanes=side // 2, vector_taps=0,
                   accumulator_depth=v1.accumulator_depth // scale, weight_memory_rows=(1 << 22) // side,
                   unified_buffer_bytes=max(v1.unified_buffer_bytes // scale**2, 1 << 16))


def compare(name, scale=8):
    """Runs a scaled workload on the simulated RTL of `sibling(scale)`, and on the cycle model.

    Returns
    -------
    dict
        workload; counters of the RTL and those predicted, whether they are equal; breakdown of the RTL's.

    Errors
    ------
    BuildError
        If the simulation cannot be built.
    """
    from systolith.sim.verilator import VerilatorDevice

    config, graph, rate = sibling(scale), build(name, scale), WEIGHT_RATE / scale
    program = compile_graph(graph, config)
    with Driver(VerilatorDevice(config, bytes_per_cycle=rate), config) as driver:
        session = Session(driver)
        session.load(program)
        counters = session.infer(random_inputs(graph)[0]).counters
    predicted = total(predict(program, bytes_per_cycle=rate))
    return {"workload": name, "counters": counters, "predicted": predicted, "equal": counters == predicted,
            "breakdown": breakdown(counters)}


def sibling_bench(progress):
    """All workloads on the RTL of a 32x32 sibling: list of what `compare` returns."""
    rows = []
    for number, name in enumerate(WORKLOADS):
        rows.append(compare(name))
        progress("sibling", number + 1, len(WORKLOADS))
    return rows
