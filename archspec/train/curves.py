"""Loss, learning rate and measures of a run over its steps, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 776, 210, 74, 136, 44, 56  # pixels
POINTS = 600  # of a line; of more the mean of each few is drawn
COLOURS = ("#1f6feb", "#d1495b", "#2a9d5c", "#8e5bd0", "#c77d0a", "#0e8a93")
INK, FAINT, GRID = "#24292f", "#6e7781", "#e4e7eb"
STEPS_OF_TEN = (1, 2, 2.5, 5, 10)
DECADES = 1.5  # of a positive line's values, from which on its axis is logarithmic


@dataclass(frozen=True)
class Panel:
    """Lines over the same steps, by name, each with its points (step, value) in the order of steps."""

    title: str
    lines: Mapping[str, Sequence[Point]]
    wide: bool = False  # whether values may need a logarithmic axis


def curves(title: str, steps: Sequence[tuple[int, float, float]], measures: Sequence[tuple[int, str, float]]) -> str:
    """An SVG document of a run's log (step, loss, learning rate) and its measures (step, name, value).

    A panel each of the loss, the measures where there are any, and the learning rate.
    """
    losses, rates = [(step, loss) for step, loss, _ in steps], [(step, rate) for step, _, rate in steps]
    named: dict[str, list[Point]] = {}
    for step, name, value in measures:
        named.setdefault(name, []).append((step, value))
    panels = [Panel("loss", {"each step": losses, "averaged": averaged(losses)}, wide=True)]
    if named:
        panels.append(Panel("measures", named))
    panels.append(Panel("learning rate", {"": rates}))
    last = max([1, *(step for step, *_ in (*steps, *measures))])
    height = TOP + len(panels) * (PANEL + GAP)
    drawn = [_drawn(panel, TOP + 14 + i * (PANEL + GAP), last) for i, panel in enumerate(panels)]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 24, title, INK, size=15, weight=600),
        *drawn,
        "</svg>\n",
    ])  # fmt: skip


def averaged(points: Sequence[Point]) -> list[Point]:
    """An exponential moving average over a fiftieth of the steps, without the bias of its beginning."""
    keep, value, weight, made = 1 - 1 / max(len(points) / 50, 1), 0.0, 0.0, []
    for step, new in points:
        value, weight = keep * value + (1 - keep) * new, keep * weight + 1 - keep
        made.append((step, value / weight))
    return made


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most `POINTS` points: the means of as many runs of neighbours."""
    size = math.ceil(len(points) / POINTS) or 1
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, some `count` of them."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    step = next(power * n for n in STEPS_OF_TEN if (high - low) / (power * n) <= count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten whose logarithms lie between two; over many decades the powers alone."""
    factors = (1,) if high - low > 4 else (1, 2, 5)
    every = [n * 10.0**p for p in range(math.floor(low), math.ceil(high) + 1) for n in factors]
    return [value for value in every if low <= math.log10(value) <= high]


def _drawn(panel: Panel, top: float, last: float) -> str:
    lines = {name: [p for p in thinned(line) if math.isfinite(p[1])] for name, line in panel.lines.items()}
    values = [y for line in lines.values() for _, y in line] or [0.0]
    logs = panel.wide and min(values) > 0 and math.log10(max(values) / min(values)) > DECADES
    low, high = _bounds(values, logs)
    side, bottom = WIDTH - LEFT - RIGHT, top + PANEL

    def place(x: float, y: float) -> Point:
        share = (math.log10(y) if logs else y) - low
        return LEFT + side * x / max(last, 1), bottom - PANEL * share / (high - low)

    marks = powers(low, high) if logs else ticks(low, high)
    made = [_text(LEFT, top - 8, panel.title, INK, weight=600)]
    for y in marks:
        at = place(0, y)[1]
        made.append(f'<path d="M{LEFT} {at:.1f}h{side}" stroke="{GRID}"/>')
        made.append(_text(LEFT - 8, at + 4, f"{y:.6g}", FAINT, anchor="end"))
    for x in ticks(0, last):
        made.append(_text(place(x, marks[0])[0], bottom + 17, f"{x:,.10g}", FAINT, anchor="middle"))
    made.append(f'<path d="M{LEFT} {bottom}h{side}" stroke="{FAINT}"/>')
    return "\n".join([*made, *_lines(lines, place, bottom + 3)])


def _bounds(values: Sequence[float], logs: bool) -> Point:
    """The ends of the axis, of logarithms where `logs`: zero, or some air below and above the values."""
    low, high = (math.log10(min(values)), math.log10(max(values))) if logs else (min(values), max(values))
    air = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (0.0 if not logs and 0 <= low <= (high - low) else low - air), high + air


def _lines(lines: Mapping[str, Sequence[Point]], place: Callable[[float, float], Point], lowest: float) -> list[str]:
    """The lines, and their names behind their ends, moved apart where they would overlap, none below `lowest`."""
    made, ends = [], []
    for i, (name, line) in enumerate(lines.items()):
        colour, faint = COLOURS[i % len(COLOURS)], name == "each step"
        spots = [place(x, y) for x, y in line]
        path = "".join(f"{'L' if k else 'M'}{x:.1f} {y:.1f}" for k, (x, y) in enumerate(spots))
        opacity = ' stroke-opacity="0.35"' if faint else ""
        width = 1 if faint else 1.8
        made.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{opacity}/>' if path else "")
        if len(spots) <= POINTS // 10:
            made += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>' for x, y in spots]
        if spots and name:
            ends.append((spots[-1][1], f"{name} {line[-1][1]:.4g}" if not faint else name, colour))
    ends.sort()
    heights: list[float] = []
    for y, *_ in ends:
        heights.append(max(y + 4, heights[-1] + 15 if heights else y))
    lift = max(0.0, heights[-1] - lowest) if heights else 0.0
    for height, (_, name, colour) in zip(heights, ends, strict=True):
        made.append(_text(WIDTH - RIGHT + 8, height - lift, name, colour))
    return made


def _text(x: float, y: float, text: str, colour: str, anchor: str = "start", size: int = 12, weight: int = 400) -> str:
    style = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {style}>{escape(text)}</text>'
