"""Measures the chip on models: cycles, speed of the simulation, time and memory to build it."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .compiler.compile import compile_graph
from .devices import open_device
from .driver import Driver
from .inputs import random_inputs
from .prediction import predict, total
from .run import describe
from .session import Session
from .tflite import load

__all__ = ["NPU_CYCLES", "bench", "measure_build"]

#: Cycles of Arm's Ethos-U55-256, a commercial NPU with 256 MACs a cycle, without memory stalls, as estimated by Arm's
#: own compiler: PyPI `ethos-u-vela` 5.2.0, `--accelerator-config ethos-u55-256`, figure "NPU cycles".
NPU_CYCLES = {"pretrainedResnet_quant": 107_389, "kws_ref_model": 57_329, "vww_96_int8": 128_825, "ad01_int8": 41_404}

#: How often the cycle model is timed.
_PREDICTIONS = 49


def measure_build(config_name):
    """Builds the simulation of a configuration from nothing, without any cache.

    Returns
    -------
    (float, int)
        Seconds, and the largest memory of a process of it in bytes.
    """
    # The process itself says what it and its compilers took: here it would be the most of all processes so far.
    code = ("import resource, sys; from systolith.host.configs import load_config; "
            "from systolith.host.devices import open_device; open_device('rtl', load_config(sys.argv[1])).close(); "
            "print(max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))")
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        built = subprocess.run([sys.executable, "-c", code, config_name], check=True, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "SYSTOLITH_CACHE": cache, "CCACHE_DISABLE": "1"})
        seconds = time.perf_counter() - begin
    return seconds, int(built.stdout.split()[-1]) * 1024


def bench(paths, config, device, progress):
    """Runs each model once with a random input (timing does not depend on it).

    Parameters
    ----------
    paths : list of paths of .tflite models
    config : Config
    device : str
        Name of a device with cycles.
    progress : callable (text, done, total)

    Returns
    -------
    list of dict
        For each model: model, cycles, ideal_cycles, utilisation, npu_cycles (None if unknown) and speedup over it,
        simulated_cycles (transfers included), simulation_seconds, simulation_hz. Of a simulation of the chip also
        cycle_model_exact: whether the cycle model predicts its counters; cycle_model_seconds, the median of
        `_PREDICTIONS` predictions from the bytes of program and weights; and how many times that is in the simulation
        that counts the same from the same bytes (cycle_model_speedup: program, weights and input through the host port,
        the inference, its output), and in the inference alone, its input and output included
        (cycle_model_speedup_inference). These are seconds of the processor, for a machine that has other work.
    """
    rows = []
    for number, path in enumerate(paths):
        graph = load(Path(path))
        program = compile_graph(graph, config)
        simulator = open_device(device, config)
        with Driver(simulator, config) as driver:
            session = Session(driver)
            begin, started = time.perf_counter(), time.process_time()
            session.load(program)
            loaded = time.process_time()
            result = session.infer(random_inputs(graph)[0])
            end = time.process_time()
            seconds = time.perf_counter() - begin
            simulated = getattr(simulator, "cycles", None)
        report = describe(program, device, [result])
        npu = NPU_CYCLES.get(graph.name) if config.macs == 256 else None
        rows.append({name: report[name] for name in ("model", "config", "cycles", "ideal_cycles", "utilisation")} | {
            "npu_cycles": npu, "speedup": round(npu / report["cycles"], 2) if npu else None,
            "simulated_cycles": simulated, "simulation_seconds": round(seconds, 3),
            "simulation_hz": round(simulated / seconds) if simulated else None}
            | _compare(program, result.counters, *((end - started, end - loaded) if simulated else (None, None))))
        progress("bench", number + 1, len(paths))
    return rows


def _compare(program, counters, whole, inference):
    """The cycle model beside the simulation of the chip that took so many seconds; None without one."""
    names = "cycle_model_exact", "cycle_model_seconds", "cycle_model_speedup", "cycle_model_speedup_inference"
    if whole is None:
        return dict.fromkeys(names)
    times = []
    for _ in range(_PREDICTIONS):
        begin = time.process_time()
        runs = predict(program)
        times.append(time.process_time() - begin)
    seconds = statistics.median(times)
    facts = total(runs) == counters, round(seconds, 5), round(whole / seconds), round(inference / seconds)
    return dict(zip(names, facts))
