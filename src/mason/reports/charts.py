"""Small SVG charts that stay crisp at any width.

Places are percentages of the plot, so a chart stretches with its column while its text
and lines keep their size; the margins for axes are CSS padding around it. Lines sit in a
nested SVG of 1000 × 1000 units stretched without regard to shape, with strokes that do
not scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, floor, isfinite, log10

from mason.reports.markup import attribute, escape
from mason.reports.numbers import decimal

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve; ``tone`` picks its colour, dash and mark in the style sheet."""

    name: str
    points: Sequence[Point]
    tone: str
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """A range of values with its ticks and how they are written."""

    low: float
    high: float
    ticks: list[float]
    write: Callable[[float], str] = field(default=decimal)

    def place(self, value: float) -> float:
        """``value`` as a percentage of the axis."""
        return 100 * (value - self.low) / (self.high - self.low)


def axis(
    values: Sequence[float],
    *,
    write: Callable[[float], str] = decimal,
    low: float | None = None,
    high: float | None = None,
    snug: bool = False,
) -> Axis:
    """A round-numbered axis over ``values``; ``low`` and ``high`` fix its ends.

    ``snug`` ends the axis at the values themselves, as a time axis should.
    """
    finite = [v for v in values if isfinite(v)] or [0.0]
    bottom = min(finite) if low is None else low
    top = max(finite) if high is None else high
    if top <= bottom:
        # One value alone: give it room on the side that is not fixed.
        room = abs(bottom) or 1.0
        bottom, top = (bottom, bottom + room) if high is None else (high - room / 5, high)
    step = _round_step((top - bottom) / 4)
    first, last = floor(bottom / step + 1e-9), ceil(top / step - 1e-9)
    if not snug:
        bottom = first * step if low is None else bottom
        top = last * step if high is None else top
    ticks = [round(i * step, 12) for i in range(first, last + 1)]
    slack = (top - bottom) * 1e-9
    return Axis(bottom, top, [t for t in ticks if bottom - slack <= t <= top + slack], write)


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 × 10ⁿ that is not below ``rough``."""
    power = 10.0 ** floor(log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    description: str,
    across: Axis,
    up: Axis,
    across_name: str,
    mark: tuple[float, str] | None = None,
) -> str:
    """Curves over a common axis, with a legend; ``mark`` is a labelled upright line."""
    drawn = [line for line in lines if _finite(line.points)]
    body = _grid(across, up) + _across_name(across_name)
    if mark is not None and across.low <= mark[0] <= across.high:
        body += _mark(across.place(mark[0]), mark[1])
    paths = "".join(
        f'<path class="curve {line.tone}" d="{_path(line.points, across, up)}"/>' for line in drawn
    )
    body += _stretched(paths)
    for line in drawn:
        if line.dots:
            body += _dots(_finite(line.points), across, up, line.tone)
    legend = [(line.name, line.tone) for line in drawn]
    return _figure(title, description, body, legend=legend if len(legend) > 1 else ())


def scatter_chart(
    groups: Sequence[Line],
    *,
    title: str,
    description: str,
    across: Axis,
    up: Axis,
    across_name: str,
) -> str:
    """Points of several kinds; only a group that has ``dots`` unset is drawn as a line too."""
    body = _grid(across, up) + _across_name(across_name)
    body += _stretched(
        "".join(
            f'<path class="curve {g.tone}" d="{_path(g.points, across, up)}"/>'
            for g in groups
            if not g.dots and g.points
        )
    )
    for group in groups:
        body += _dots(_finite(group.points), across, up, group.tone)
    return _figure(title, description, body, legend=[(g.name, g.tone) for g in groups if g.points])


def reliability_chart(
    curves: Sequence[Line],
    *,
    title: str,
    description: str,
    across: Axis,
    up: Axis,
    across_name: str,
    ideal_name: str,
) -> str:
    """Accuracy over confidence, with the diagonal of a perfectly honest model."""
    low, high = max(across.low, up.low), min(across.high, up.high)
    ends = [(across.place(v), 100 - up.place(v)) for v in (low, high)]
    (x1, y1), (x2, y2) = ends
    body = _grid(across, up) + _across_name(across_name)
    body += f'<line class="ideal" x1="{x1:.2f}%" y1="{y1:.2f}%" x2="{x2:.2f}%" y2="{y2:.2f}%"/>'
    body += _stretched(
        "".join(f'<path class="curve {c.tone}" d="{_path(c.points, across, up)}"/>' for c in curves)
    )
    for curve in curves:
        body += _dots(_finite(curve.points), across, up, curve.tone)
    legend = [(curve.name, curve.tone) for curve in curves] + [(ideal_name, "ideal")]
    return _figure(title, description, body, legend=legend, kind="square")


def histogram(
    bins: Sequence[tuple[float, float, int]],
    *,
    title: str,
    description: str,
    across: Axis,
    up: Axis,
    across_name: str,
    mark: tuple[float, str] | None = None,
) -> str:
    """Counts over ranges of a value."""
    bars = ""
    for low, high, number in bins:
        left, right = across.place(low), across.place(min(high, across.high))
        height = up.place(number)
        bars += (
            f'<rect class="column" x="{left:.2f}%" y="{100 - height:.2f}%" '
            f'width="{max(right - left - 0.3, 0.3):.2f}%" height="{height:.2f}%">'
            f"<title>{decimal(low)}–{decimal(high)}: {number:,}</title></rect>"
        )
    body = _grid(across, up) + bars + _across_name(across_name)
    if mark is not None and across.low <= mark[0] <= across.high:
        body += _mark(across.place(mark[0]), mark[1])
    return _figure(title, description, body)


def whisker(low: float, value: float, high: float, scale: Axis, tone: str = "") -> str:
    """An interval as a line with a dot at its value, on ``scale``; numbers stand beside it."""
    left, middle, right = (min(max(scale.place(v), 0), 100) for v in (low, value, high))
    ticks = "".join(
        f'<line class="tick" x1="{scale.place(t):.2f}%" x2="{scale.place(t):.2f}%" y1="0" y2="18"/>'
        for t in scale.ticks
    )
    return (
        f'<svg class="whisker {tone}" width="100%" height="18" aria-hidden="true">{ticks}'
        f'<line class="span" x1="{left:.2f}%" x2="{right:.2f}%" y1="9" y2="9"/>'
        f'<circle cx="{middle:.2f}%" cy="9" r="5"/></svg>'
    )


def scale_row(scale: Axis) -> str:
    """The numbers under a column of whiskers."""
    labels = "".join(
        f'<text x="{scale.place(t):.2f}%" y="12" text-anchor="{_anchor(scale.place(t))}">'
        f"{escape(scale.write(t))}</text>"
        for t in scale.ticks
    )
    return f'<svg class="scale" width="100%" height="16" aria-hidden="true">{labels}</svg>'


def heat_map(
    counts: Sequence[Sequence[int]],
    labels: Sequence[str],
    *,
    title: str,
    description: str,
    row_name: str,
    column_name: str,
) -> str:
    """A square of cells shaded by their share of their row; the diagonal has its own hue."""
    side = 100 / len(labels)
    cells = ""
    for i, row in enumerate(counts):
        total = sum(row) or 1
        for j, number in enumerate(row):
            if number == 0:
                continue
            shade = 0.15 + 0.85 * (number / total) ** 0.5
            cells += (
                f'<rect class="{"right" if i == j else "wrong"}" fill-opacity="{shade:.2f}" '
                f'x="{j * side:.3f}%" y="{i * side:.3f}%" width="{side:.3f}%" '
                f'height="{side:.3f}%"><title>{attribute(labels[i])} → {attribute(labels[j])}: '
                f"{number:,}</title></rect>"
            )
    body = f'<rect class="frame" width="100%" height="100%"/>{cells}' + _across_name(column_name)
    body += f'<text class="name" x="0" y="-8">{escape(row_name)}</text>'
    return _figure(title, description, body, kind="map")


def thin(points: Sequence[Point], most: int = 150) -> list[Point]:
    """At most ``most`` points, each the mean of its neighbours; gaps stay out."""
    finite = _finite(points)
    if len(finite) <= most:
        return finite
    edges = [round(i * len(finite) / most) for i in range(most + 1)]
    groups = [finite[a:b] for a, b in pairwise(edges)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def _finite(points: Sequence[Point]) -> list[Point]:
    return [(x, y) for x, y in points if isfinite(x) and isfinite(y)]


def _path(points: Sequence[Point], across: Axis, up: Axis) -> str:
    places = [(10 * across.place(x), 1000 - 10 * up.place(y)) for x, y in _finite(points)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _stretched(paths: str) -> str:
    return (
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none" '
        f'overflow="visible">{paths}</svg>'
    )


def _dots(points: Sequence[Point], across: Axis, up: Axis, tone: str) -> str:
    return "".join(
        f'<circle class="dot {tone}" cx="{across.place(x):.2f}%" cy="{100 - up.place(y):.2f}%" '
        f'r="3.5"><title>{escape(across.write(x))}: {escape(up.write(y))}</title></circle>'
        for x, y in points
    )


def _grid(across: Axis, up: Axis) -> str:
    parts = []
    for tick in up.ticks:
        y = f"{100 - up.place(tick):.2f}%"
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="-8" y="{y}" dy="0.32em" text-anchor="end">{escape(up.write(tick))}</text>'
        )
    for tick in across.ticks:
        place = across.place(tick)
        parts.append(
            f'<text x="{place:.2f}%" y="100%" dy="18" text-anchor="middle">'
            f"{escape(across.write(tick))}</text>"
        )
    return "".join(parts)


def _across_name(name: str) -> str:
    return f'<text class="name" x="50%" y="100%" dy="36" text-anchor="middle">{escape(name)}</text>'


def _mark(place: float, name: str) -> str:
    anchor = "end" if place > 60 else "start"
    return (
        f'<line class="mark" x1="{place:.2f}%" x2="{place:.2f}%" y1="0" y2="100%"/>'
        f'<text class="mark-name" x="{place:.2f}%" dx="{"-6" if anchor == "end" else "6"}" y="0" '
        f'dy="-4" text-anchor="{anchor}">{escape(name)}</text>'
    )


def _anchor(place: float) -> str:
    return "start" if place < 5 else "end" if place > 95 else "middle"


def _figure(
    title: str,
    description: str,
    body: str,
    *,
    legend: Sequence[tuple[str, str]] = (),
    kind: str = "",
) -> str:
    keys = "".join(
        f'<li><svg width="26" height="10" aria-hidden="true"><line class="curve {tone}" x1="1" '
        f'x2="25" y1="5" y2="5"/></svg>{escape(name)}</li>'
        for name, tone in legend
    )
    keys = f'<ul class="legend">{keys}</ul>' if keys else ""
    return (
        f'<figure class="chart {kind}"><figcaption>{escape(title)}</figcaption>{keys}'
        f'<svg class="plot" role="img"><title>{attribute(title)}</title>'
        f"<desc>{attribute(description)}</desc>{body}</svg></figure>"
    )
