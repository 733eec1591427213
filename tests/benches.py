"""Amaranth's simulator, as nearly every test of a component uses it."""

from amaranth.sim import Simulator

__all__ = ["run_benches"]


def run_benches(design, *benches, background=()):
    """Runs a design with a clock until the benches are done.

    Parameters
    ----------
    design : Elaboratable, in the domain ``sync``
    benches, background : async functions of the simulator's context
        Those of `background` the run does not wait for.
    """
    simulator = Simulator(design)
    simulator.add_clock(1e-6)
    for bench in background:
        simulator.add_testbench(bench, background=True)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()
