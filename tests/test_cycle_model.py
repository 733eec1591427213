"""The cycle model by itself: its timeline, what it refuses, and the device that it makes."""

import numpy as np
import pytest
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import ChipFault, Driver
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.rtl.assembly import assemble
from systolith.rtl.config import PRESETS
from systolith.rtl.errors import UserError
from systolith.rtl.isa import Opcode, Unit
from systolith.rtl.packets import Space
from systolith.sim.cycle_device import CycleDevice
from systolith.sim.cycles import CycleModel, CycleModelError
from systolith.sim.cycles.activity import Activity

NANO = PRESETS["nano"]


def test_timeline():
    timing = CycleModel(NANO).predict(assemble("""
        Read_Weights count=8
        Set_Configuration unit=activation x_stride=8
        Matrix_Multiply length=5 switch=1
        Activate x_count=5 y_count=1 columns=8 wait0=matrix:1
        Tag unit=weight tag=7
        Tag unit=activation tag=3
        Matrix_Multiply length=6
        Halt"""), np.ones((8, 8), np.uint8))
    weights, first, activate, second = timing.timeline()
    assert [(r.pc, r.unit, r.tag) for r in (weights, first, activate, second)] == [
        (0, Unit.WEIGHT, 7), (2, Unit.MATRIX, 3), (3, Unit.ACTIVATION, 3), (6, Unit.MATRIX, None)]
    assert weights.dispatched < weights.start < weights.end < first.end < activate.start < activate.end
    assert first.opcode is Opcode.MATRIX_MULTIPLY
    assert timing.snapshots[1][1]["cycles"] == activate.end + 4


def test_programs_without_an_end_are_refused():
    model, rows = CycleModel(NANO), np.zeros((64, 8), np.uint8)
    with pytest.raises(CycleModelError, match="no Halt"):
        model.predict(assemble("Nop\nNop"), rows)
    with pytest.raises(CycleModelError, match="instruction 1 .* does not exist"):
        model.predict(assemble("Nop") + bytes([31]) + bytes(15), rows)
    # The second fetch waits for room, which only the multiplication behind it could make.
    with pytest.raises(CycleModelError, match="never halts"):
        model.predict(assemble("Read_Weights count=48\nMatrix_Multiply length=1 switch=1 wait0=weight:1\nHalt"), rows)


def test_activity():
    activity = Activity()
    assert activity.until(9) == 0 and list(activity.gaps(3, 5)) == [(3, 5)]
    for span in ((2, 4), (4, 6), (5, 8), (10, 11), (20, 30)):
        activity.add(*span)
    busy = {*range(2, 8), 10, *range(20, 30)}
    assert [activity.until(cycle) for cycle in range(40)] == [len([c for c in busy if c < n]) for n in range(40)]
    for start in range(32):
        for end in range(start, 33):
            gaps = list(activity.gaps(start, end))
            assert {c for gap in gaps for c in range(*gap)} == {*range(start, end)} - busy
            assert all(a < b for a, b in gaps) and gaps == sorted(gaps)


def test_device_counts_cycles(digits):
    program = compile_graph(load(digits / "digits.tflite"), NANO)
    with Driver(CycleDevice(NANO), NANO) as driver:
        session = Session(driver)
        session.load(program)
        inputs = {t: np.zeros(program.graph.tensors[t].shape, np.int8) for t in program.graph.inputs}
        result = session.infer(inputs)
        timing = CycleModel(NANO).predict(program.instructions[0], program.weights[0], program.steps[0].address)
        assert result.counters == timing.counters
        tagged = [counters for counters in result.layer_counters if counters is not None]
        assert len(tagged) == len(timing.snapshots)
        # The layers together make the last snapshot.
        for name, value in timing.snapshots[-1][1].items():
            assert sum(counters[name] for counters in tagged) == value <= timing.counters[name]


def test_device_keeps_faults(digits):
    with Driver(CycleDevice(NANO), NANO) as driver:
        driver.write(Space.INSTRUCTIONS, 0, assemble("Nop\nActivate x_count=1 y_count=1 columns=1 ub_address=32768"))
        with pytest.raises(ChipFault, match="instruction 1"):
            driver.run(0)
        # The golden model lets it pass, as it has no time; the chip would report a deadlock.
        driver.write(Space.INSTRUCTIONS, 0, assemble(
            "Read_Weights count=48\nMatrix_Multiply length=1 switch=1 wait0=weight:1\nHalt"))
        with pytest.raises(UserError, match="never halts"):
            driver.run(0)
