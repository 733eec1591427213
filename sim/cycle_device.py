"""A device that computes as the golden model does and counts cycles as the chip does."""

from systolith.rtl.packets import State

from .cycles import CycleModel
from .golden import GoldenModel
from .model_device import ModelDevice

__all__ = ["CycleDevice"]


class CycleDevice(ModelDevice):
    """A `ModelDevice` with time: counters and tags are those that `CycleModel` predicts.

    After a fault they are the golden model's, which has no time.

    Parameters
    ----------
    config : Config

    Errors
    ------
    CycleModelError
        From the `write` that would complete a run which deadlocks on the chip, though not on the golden model.
    """

    def __init__(self, config):
        super().__init__(config)
        self.model = _TimedModel(config)


class _TimedModel(GoldenModel):
    """A golden model that sets its counters and tags after the run."""

    def steps(self, address):
        yield from super().steps(address)
        if self.state is State.HALTED:
            timing = CycleModel(self.config).predict(self.instructions.tobytes(), self.weights, address)
            self.counters = timing.counters
            for tag, counters in timing.snapshots:
                self.tags[tag] = list(counters.values())
