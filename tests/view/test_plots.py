"""Charts that say what the numbers say."""

import math
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photoreal.view.plots import HEIGHT, WIDTH, Curve, line_chart, share_bar, ticks


def polylines(chart: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'<polyline points="([^"]*)"', chart)
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in found]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2.0, 8))
def test_ticks_are_few_round_and_inside(low: float, span: float, count: int) -> None:
    high = low + span
    if high <= low:
        return
    found = ticks(low, high, count)
    step = span / count
    assert len(found) <= count + 1
    assert all(low - 1e-6 * step <= value <= high + 1e-6 * step for value in found)


def test_ticks_of_a_known_range() -> None:
    assert ticks(0.0, 3000.0, 3) == [0, 1000, 2000, 3000]
    assert ticks(5.0, 5.0) == [5]


def test_larger_values_lie_higher_and_later_steps_farther_right() -> None:
    chart = line_chart(Curve("PSNR", [(0.0, 12.0), (100.0, 20.0), (200.0, 24.0)]))
    (line,) = polylines(chart.text)
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(line))
    assert "from 12 at step 0 to 24 at step 200" in chart.text


def test_a_logarithmic_scale_has_equal_ratios_at_equal_distances() -> None:
    (line,) = polylines(line_chart(Curve("Loss", [(0.0, 1.0), (1.0, 0.1), (2.0, 0.01)], "log")).text)
    assert line[1][1] - line[0][1] == pytest.approx(line[2][1] - line[1][1], abs=0.11)


def test_thinning_keeps_the_spike_and_the_frame() -> None:
    points = [(float(i), 1.0 + 0.001 * (i % 7)) for i in range(5000)]
    points[2501] = (2501.0, 9.0)
    raw, mean = polylines(line_chart(Curve("Loss", points)).text)
    assert min(y for _, y in raw) < 30
    assert min(y for _, y in mean) > 60
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in raw + mean)


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(0.0, math.nan), (1.0, math.inf), (2.0, 3.0)]])
def test_too_little_to_draw_is_said(points: list[tuple[float, float]]) -> None:
    assert "fewer than two values" in line_chart(Curve("Loss", points)).text


def test_gaps_and_flat_curves_are_drawn() -> None:
    (line,) = polylines(line_chart(Curve("Flat", [(0.0, 2.0), (1.0, math.nan), (2.0, 2.0)])).text)
    assert len(line) == 2
    assert line[0][1] == line[1][1]


def test_shares_fill_the_bar() -> None:
    root = ElementTree.fromstring(share_bar([("read", 1.0), ("<solve>", 3.0), ("nothing", math.nan)]).text)
    widths = [float(rect.attrib["width"].rstrip("%")) for rect in root.iter("rect")]
    assert widths == [25.0, 75.0, 0.0]
    assert "<solve> 75%" in root.attrib["aria-label"]
