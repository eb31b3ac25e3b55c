"""Small line charts and share bars as inline SVG; all colours come from the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from photoreal.view.html import Markup, join, tag
from photoreal.view.wording import short

WIDTH, HEIGHT = 340.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 50.0, 14.0, 26.0

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Curve:
    """A measured quantity over steps."""

    name: str
    points: Sequence[tuple[float, float]]
    """(step, value), in order of steps."""
    scale: Scale = "linear"


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    scale: Scale

    def place(self, value: float) -> float:
        """The drawing coordinate of a value."""
        low, high, value = (_measure(x, self.scale) for x in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / (high - low)


def line_chart(curve: Curve) -> Markup:
    """A chart of one curve, its last value written at its end; a noisy curve is drawn pale under its moving mean.

    Values that are not finite (and on a logarithmic scale not positive) are left out; nothing drawable gives a note.
    """
    points = [(x, y) for x, y in curve.points if math.isfinite(x) and _drawable(y, curve.scale)]
    if len(points) < 2:
        return tag("p", f"{curve.name}: fewer than two values were recorded.", class_="quiet")
    (first, start), (last, end) = points[0], points[-1]
    across = _Axis(first, last if last > first else first + 1, LEFT, WIDTH - RIGHT, "linear")
    upwards = _axis_around([y for _, y in points], curve.scale)
    label = f"{curve.name}: from {short(start)} at step {short(first)} to {short(end)} at step {short(last)}"
    return tag(
        "svg",
        tag("title", label),
        _grid(across, upwards),
        *_strokes(points, across, upwards),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="img",
        aria_label=label,
        class_="chart",
    )


def share_bar(shares: Sequence[tuple[str, float]]) -> Markup:
    """One bar divided in proportion to the shares, each part with its name and percentage as a tooltip.

    What is not positive has no share.
    """
    total = sum(value for _, value in shares if value > 0) or 1.0
    parts: list[Markup] = []
    told: list[str] = []
    start = 0.0
    for index, (name, value) in enumerate(shares):
        share = value / total if value > 0 else 0.0
        told.append(f"{name} {share:.0%}")
        title = tag("title", told[-1])
        place = {"x": f"{100 * start:.2f}%", "width": f"{100 * share:.2f}%", "height": "100%"}
        parts.append(tag("rect", title, class_=hue(index), **place))
        start += share
    return tag("svg", *parts, role="img", aria_label=f"Share of the time: {', '.join(told)}", class_="shares")


def hue(index: int) -> str:
    """The style class of the n-th of several parts."""
    return f"hue{index % 6}"


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]
        if len(found) <= 5:
            return found
    return found[:: math.ceil(len(found) / 5)]


def _measure(value: float, scale: Scale) -> float:
    return math.log10(value) if scale == "log" else value


def _drawable(value: float, scale: Scale) -> bool:
    return math.isfinite(value) and (scale == "linear" or value > 0)


def _axis_around(values: Sequence[float], scale: Scale) -> _Axis:
    low, high = min(values), max(values)
    if scale == "log":
        low, high = low / 1.1, high * 1.1
    else:
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        low, high = (max(low - margin, 0.0) if low >= 0 else low - margin), high + margin
    return _Axis(low, high, HEIGHT - BOTTOM, TOP, scale)


def _grid(across: _Axis, upwards: _Axis) -> Markup:
    levels = ticks(upwards.low, upwards.high) if upwards.scale == "linear" else _log_ticks(upwards.low, upwards.high)
    lines: list[Markup] = []
    for value in levels:
        y = round(upwards.place(value), 1)
        lines.append(tag("path", d=f"M{LEFT:g} {y}H{WIDTH - RIGHT:g}", class_="grid"))
        lines.append(tag("text", short(value), x=LEFT - 6, y=y + 4, class_="tick end"))
    for value in ticks(across.low, across.high, 3):
        lines.append(tag("text", short(value), x=round(across.place(value), 1), y=HEIGHT - 8, class_="tick mid"))
    lines.append(tag("text", "step", x=WIDTH, y=HEIGHT - 8, class_="tick end"))
    return join(*lines)


def _strokes(points: Sequence[tuple[float, float]], across: _Axis, upwards: _Axis) -> list[Markup]:
    """The line, with dots where its points are few, and its last value written at its end."""
    line = points if len(points) <= 80 else _smooth(points)
    raw = None if len(points) <= 80 else _stroke(_thinned(points), across, upwards, "raw")
    marks = [
        tag("circle", tag("title", f"{short(y)} at step {short(x)}"), cx=across.place(x), cy=upwards.place(y), r=2.4)
        for x, y in points
        if len(points) <= 40
    ]
    height = upwards.place(line[-1][1]) + 4
    last = tag("text", short(line[-1][1]), x=WIDTH - RIGHT + 6, y=height, class_="last")
    return [join(raw, _stroke(line, across, upwards, "line")), tag("g", *marks, class_="marks"), last]


def _stroke(points: Sequence[tuple[float, float]], across: _Axis, upwards: _Axis, kind: str) -> Markup:
    steps = " ".join(f"{across.place(x):.1f},{upwards.place(y):.1f}" for x, y in points)
    return tag("polyline", points=steps, class_=kind)


def _thinned(points: Sequence[tuple[float, float]], most: int = 200) -> list[tuple[float, float]]:
    """Extremes of equal runs of points, so that thinning hides no spike."""
    run = math.ceil(len(points) / most)
    runs = [points[start : start + run] for start in range(0, len(points), run)]
    return [point for part in runs for point in sorted({min(part, key=_value), max(part, key=_value)})]


def _smooth(points: Sequence[tuple[float, float]], most: int = 120) -> list[tuple[float, float]]:
    """The mean of a window of a twentieth of the points around up to `most` of them."""
    half = max(1, len(points) // 40)
    chosen = sorted({round(i * (len(points) - 1) / (most - 1)) for i in range(most)})
    windows = [(points[i][0], points[max(0, i - half) : i + half + 1]) for i in chosen]
    return [(x, math.fsum(y for _, y in window) / len(window)) for x, window in windows]


def _value(point: tuple[float, float]) -> float:
    return point[1]
