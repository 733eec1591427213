"""What the cycle model says of a compiled program."""

from systolith.rtl.packets import COUNTERS
from systolith.sim.cycles import CycleModel

__all__ = ["predict", "total"]


def predict(program, **memory):
    """The runs of the chip in one inference.

    Parameters
    ----------
    program : Program
    memory : dict
        Further arguments of `CycleModel`.

    Returns
    -------
    list of (int, Timing)
        Number of the program's step, and its timing.
    """
    model = CycleModel(program.config, **memory)
    return [(number, model.predict(program.instructions[step.code], program.weights[step.weights], step.address))
            for number, step in enumerate(program.steps) if step.operator is None]


def total(runs):
    """The counters of all runs together."""
    return {name: sum(timing.counters[name] for _, timing in runs) for name in COUNTERS}
