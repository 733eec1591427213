import numpy as np
import pytest
from systolith.host.compiler.layout import Interval, Layout, PlanError, image_of, plan, values_of


@pytest.mark.parametrize("sides", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1), (2, 0, 1, 3)])
def test_image_holds_values_and_padding(sides):
    layout = Layout(3, 4, 2, *sides, fill=7, base=100)
    values = np.arange(24, dtype=np.int8) + 10
    image = image_of(layout, values)
    assert image.size == layout.size
    for y in range(-layout.top, 3 + layout.bottom):
        for x in range(-layout.left, 4 + layout.right):
            inside = 0 <= y < 3 and 0 <= x < 4
            for c in range(2):
                expected = values[(y * 4 + x) * 2 + c] if inside else 7
                assert image[layout.offset(y, x) + c] == expected, (y, x)
    assert np.array_equal(values_of(layout, image.tobytes()), values)


@pytest.mark.parametrize("sides", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1), (2, 0, 1, 3)])
def test_padding_runs_are_exactly_what_is_no_pixel(sides):
    layout = Layout(3, 4, 2, *sides, base=50)
    covered = np.zeros(layout.size, int)
    for address, size, repetitions, distance in layout.padding_runs():
        for n in range(repetitions):
            covered[address + n * distance - 50:][:size] += 1
    for y in range(3):
        covered[layout.offset(y):][:layout.row_bytes] += 1
    assert (covered == 1).all()


def test_tensors_alive_together_never_overlap():
    rng = np.random.default_rng(1)
    for _ in range(30):
        intervals = [Interval(k, int(rng.integers(1, 200)), first := int(rng.integers(0, 20)),
                              first + int(rng.integers(0, 6))) for k in range(15)]
        places = plan(intervals, 4000)
        for a in intervals:
            for b in intervals:
                if a.key < b.key and a.first <= b.last and b.first <= a.last:
                    assert places[a.key] + a.size <= places[b.key] or places[b.key] + b.size <= places[a.key]


def test_a_plan_that_cannot_be_says_the_sizes():
    with pytest.raises(PlanError, match="take 300 bytes .* holds 256"):
        plan([Interval(0, 100, 0, 2), Interval(1, 200, 1, 3)], 256)
