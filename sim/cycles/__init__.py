"""The cycle model: when the chip does what, from the instructions alone and without simulating it.

Nothing in the chip depends on data, and no unit waits for another but through queues, semaphores and the weight FIFO.
So each event comes a fixed time after the latest of a few earlier ones (a timed event graph), and the files of this
package state, unit by unit, which those are for an instruction, a pass or a run of weight rows. Each unit is a
generator that yields while an event it needs is not known yet; `model` resumes them until the program halts. The order
in which it does so changes nothing.

Cycle 0 is the first in which the program runs, as in the counters.
"""

from .instructions import CycleModelError
from .model import CycleModel, Record, Timing

__all__ = ["CycleModel", "CycleModelError", "Record", "Timing"]
