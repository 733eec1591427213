"""Which waits keep a program's result the same when its units overlap."""

from bisect import bisect_left

from systolith.rtl.encoding import encode
from systolith.rtl.isa import SEMAPHORE_BITS, Opcode, Unit

__all__ = ["Hazards", "encode_waiting"]

# Semaphores compare modulo 2**SEMAPHORE_BITS, right up to half of that: half of that half is left for the work that a
# unit may retire while another still waits for an older count.
_OLDEST = 1 << (SEMAPHORE_BITS - 2)


class _Uses:
    """Who used each address of a resource last: segments with the last writer and the readers since."""

    def __init__(self):
        self._starts = [0]
        self._segments = [(None, {})]

    def _cut(self, address):
        """Index of the segment that starts at `address`, after cutting one in two if none does."""
        index = bisect_left(self._starts, address)
        if index == len(self._starts) or self._starts[index] != address:
            writer, readers = self._segments[index - 1]
            self._starts.insert(index, address)
            self._segments.insert(index, (writer, dict(readers)))
        return index

    def _range(self, start, stop):
        first = self._cut(start)
        return slice(first, self._cut(stop))

    def read(self, start, stop, unit, count):
        """Notes a read; returns the writes it must follow."""
        segments = self._segments[self._range(start, stop)]
        for _, readers in segments:
            readers[unit] = count
        return {writer for writer, _ in segments if writer}

    def write(self, start, stop, unit, count):
        """Notes a write; returns the reads and writes it must follow, of other units.

        A unit's own earlier accesses come first anyway. Whoever follows this write follows what it replaces here.
        """
        place = self._range(start, stop)
        earlier = {writer for writer, _ in self._segments[place] if writer}
        for _, readers in self._segments[place]:
            earlier.update(readers.items())
        if place.stop > place.start:
            self._starts[place] = [start]
            self._segments[place] = [((unit, count), {})]
        return {use for use in earlier if use[0] != unit}


class Hazards:
    """Places waits: feed it every work instruction in program order.

    An instruction must wait for the newest work of each unit that wrote what it reads, or read or wrote what it writes.
    Of its own unit only a write to the unified buffer that it reads needs a wait: a unit's accesses to its other
    memories, and its writes among themselves, happen in order. Waits that another one implies are left out: those that
    the same queue already made, and those that the awaited instruction itself made.

    The weight FIFO is no resource here: the hardware makes its two ends wait for each other. The one care it needs is
    that no more tiles are fetched ahead than it holds, lest a parameter set that an earlier instruction needs is stuck
    behind them.
    """

    def __init__(self):
        self._uses = {name: _Uses() for name in
                      ("buffer", "accumulators", "parameters", "vector_parameters", "table")}
        self._known = {unit: {} for unit in Unit}
        self._history = {unit: [] for unit in Unit}

    def place(self, unit, reads=(), writes=()):
        """Registers the unit's next work instruction.

        Parameters
        ----------
        unit : isa.Unit
            The unit that executes it.
        reads, writes : sequences of (resource, start, stop)
            Half-open intervals. Resources: ``"buffer"`` in bytes, ``"accumulators"`` in rows, ``"parameters"`` (of the
            activation unit) and ``"vector_parameters"`` in slots, ``"table"``, whole: 0 to 1.

        Returns
        -------
        list of (isa.Unit, int)
            The waits it needs: a unit and the work it must have retired, as the count fields hold it.
        """
        count = len(self._history[unit]) + 1
        earlier = set()
        for resource, start, stop in reads:
            writers = self._uses[resource].read(start, stop, unit, count)
            earlier |= {use for use in writers if use[0] != unit or resource == "buffer"}
        for resource, start, stop in writes:
            earlier |= self._uses[resource].write(start, stop, unit, count)
        known = self._known[unit]
        waits = {}
        for other, number in earlier:
            if number > known.get(other, 0):
                waits[other] = max(number, waits.get(other, 0), len(self._history[other]) - _OLDEST)
        implied = {}
        for other, number in waits.items():
            _raise(implied, self._history[other][number - 1])
        waits = {other: number for other, number in waits.items() if number > implied.get(other, 0)}
        _raise(known, implied)
        _raise(known, waits)
        self._history[unit].append(dict(known))
        return [(other, number % (1 << SEMAPHORE_BITS)) for other, number in sorted(waits.items())]


def _raise(counts, others):
    for unit, number in others.items():
        counts[unit] = max(number, counts.get(unit, 0))


def encode_waiting(opcode, unit, waits, **fields):
    """The instruction with its waits: at most two in itself, the others in `Synchronise` instructions before it.

    Parameters
    ----------
    opcode : isa.Opcode
    unit : isa.Unit
        Whose queue it goes to.
    waits : list of (isa.Unit, int)
        As `Hazards.place` gives them, any number.
    fields : int
        The fields of the instruction, as for `encoding.encode`.

    Returns
    -------
    bytes
    """
    out = b""
    while len(waits) > 2:
        out += encode(Opcode.SYNCHRONISE, unit=unit, **_wait_fields(waits[:2]))
        waits = waits[2:]
    return out + encode(opcode, **_wait_fields(waits), **fields)


def _wait_fields(waits):
    fields = {}
    for number, (unit, count) in enumerate(waits):
        fields |= {f"wait{number}_unit": unit, f"wait{number}_count": count}
    return fields
