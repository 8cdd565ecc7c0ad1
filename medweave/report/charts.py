"""Charts as inline SVG. Text stays text and colours are classes of the page's style sheet, so light and dark both work.

Every chart is drawn for a column of about 400 px and scales down to a phone. Nothing is told by colour alone: fills,
shapes, dashes and direct labels say the same.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

WIDTH = 400
MAX_POINTS = 1000
LEAST_REACH = 0.01
"""How far an axis with zero marked goes to both sides at least."""
DECISIONS: Mapping[str, str] = {"accept": "accepted", "review": "to review", "reject": "rejected"}


@dataclass(frozen=True)
class Scale:
    """Maps values in [low, high] to pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of `value`."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values inside the scale, about `count` of them."""
        step = _round_step((self.high - self.low) / count)
        first = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def nice_scale(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale with round ends that holds all values."""
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    extent = high - low if high - low > 1e-9 * max(abs(low), abs(high)) else abs(high) or 1.0
    step = _round_step(extent / 5)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(low, high if high > low else low + step, start, end)


@dataclass(frozen=True)
class Interval:
    """A named mean with the ends of its interval (None where there is none); `kind` is the CSS class."""

    label: str
    kind: str
    mean: float
    low: float | None
    high: float | None
    text: str


def intervals(rows: Sequence[Interval], axis: str, sides: tuple[str, str] | None = None) -> Markup:
    """Dot-and-whisker chart, one row an interval; with `sides`, zero is marked and both its sides are named."""
    bottom = 20 + 46 * len(rows)
    top = 18 if sides else 2
    svg = _svg(WIDTH, top + bottom + 26, f"{axis}. " + "; ".join(f"{row.label}: {row.text}" for row in rows))
    ends = [v for row in rows for v in (row.mean, row.low, row.high) if v is not None]
    reach = max(LEAST_REACH, 0.5 * max(abs(end) for end in ends)) if sides else 0.0
    x = nice_scale([*ends, -reach, reach] if sides else ends, 12, WIDTH - 12)
    _x_axis(svg, x, top + bottom - 12, top + 4, axis)
    if sides:
        _add(svg, "line", class_="zero", x1=x(0), x2=x(0), y1=top + 4, y2=top + bottom - 12)
        _add(svg, "text", f"← {sides[0]}", class_="soft", x=x(0) - 6, y=14, text_anchor="end")
        _add(svg, "text", f"{sides[1]} →", class_="soft", x=x(0) + 6, y=14)
    for index, row in enumerate(rows):
        y = top + 34 + 46 * index
        group = _add(svg, "g", class_=row.kind)
        _add(group, "text", row.label, class_="strong halo", x=12, y=y - 14)
        _add(group, "text", row.text, class_="halo", x=WIDTH - 12, y=y - 14, text_anchor="end")
        if row.low is not None and row.high is not None:
            _add(group, "path", class_="whisker", d=f"M{x(row.low):.1f} {y}H{x(row.high):.1f}")
            for end in (row.low, row.high):
                _add(group, "path", class_="whisker", d=f"M{x(end):.1f} {y - 6}v12")
        _marker(group, row.kind, x(row.mean), y, 6)
    return _markup(svg)


def scatter(points: Sequence[tuple[str, float, float]]) -> Markup:
    """Per-image Dice of two models against each other: (image_id, gold-only, final), with the line of no change."""
    side, left, top = 320, 56, 10
    better = sum(final > base for _, base, final in points)
    worse = sum(final < base for _, base, final in points)
    svg = _svg(
        WIDTH,
        side + top + 44,
        f"Dice of each test image, gold-only model across and final model up. "
        f"Final better on {better}, worse on {worse}, equal on {len(points) - better - worse}.",
    )
    x, y = Scale(0, 1, left, left + side), Scale(0, 1, top + side, top)
    _x_axis(svg, x, top + side, top, "Dice of the gold-only model")
    _y_axis(svg, y, left, left + side, "Dice of the final model")
    _add(svg, "path", class_="zero", d=f"M{x(0)} {y(0)}L{x(1)} {y(1)}")
    for name, base, final in points[:: math.ceil(len(points) / MAX_POINTS) or 1]:
        kind = "gain" if final >= base else "loss"
        dot = _add(svg, "circle", class_=f"dot {kind}", cx=x(base), cy=y(final), r=4)
        _add(dot, "title", f"{name}: {base:.3f} → {final:.3f}")
    _add(svg, "text", f"final better: {better}", class_="strong halo", x=left + 10, y=top + 20)
    corner = {"x": left + side - 10, "y": top + side - 12, "text_anchor": "end"}
    _add(svg, "text", f"gold-only better: {worse}", class_="strong halo", **corner)
    return _markup(svg)


def calibration(points: Sequence[tuple[str, float, float, float, float]]) -> Markup:
    """True against predicted Dice of gold labels, as (image_id, predicted Dice, low, high, true Dice).

    The dashed line is a perfect prediction; dots whose true Dice lies outside of the interval are hollow.
    """
    side, left, top = 320, 56, 10
    held = sum(low <= true <= high for _, _, low, high, true in points)
    svg = _svg(
        WIDTH,
        side + top + 44,
        f"Predicted Dice across and true Dice up of {len(points)} gold labels, each predicted without its own image. "
        f"The interval holds the true Dice of {held}.",
    )
    x, y = Scale(0, 1, left, left + side), Scale(0, 1, top + side, top)
    _x_axis(svg, x, top + side, top, "predicted Dice, with its 90 % interval")
    _y_axis(svg, y, left, left + side, "true Dice")
    _add(svg, "path", class_="zero", d=f"M{x(0)} {y(0)}L{x(1)} {y(1)}")
    for name, predicted, low, high, true in points:
        group = _add(svg, "g", class_="calibrated" if low <= true <= high else "calibrated missed")
        _add(group, "path", class_="whisker", d=f"M{x(low):.1f} {y(true):.1f}H{x(high):.1f}")
        dot = _add(group, "circle", class_="dot", cx=x(predicted), cy=y(true), r=4)
        _add(dot, "title", f"{name}: predicted {predicted:.2f} ({low:.2f} to {high:.2f}), true {true:.2f}")
    return _markup(svg)


def decision_bar(name: str, counts: Mapping[str, int]) -> Markup:
    """One bar cut into accepted, to review and rejected; `counts` is keyed by decision."""
    total = sum(counts.values()) or 1
    shown = {key: (counts.get(key, 0), word) for key, word in DECISIONS.items()}
    svg = _svg(WIDTH, 74, f"{name}: " + ", ".join(f"{n} {word}" for n, word in shown.values()))
    _add(svg, "text", name, class_="strong", x=1, y=14)
    left = 1.0
    for index, (key, (count, word)) in enumerate(shown.items()):
        width = (WIDTH - 2) * count / total
        if count:
            _add(svg, "rect", class_=f"decision {key}", x=left, y=22, width=width, height=22)
        left += width
        legend = 1 + index * WIDTH / 3
        _add(svg, "rect", class_=f"decision {key}", x=legend, y=54, width=12, height=12)
        _add(svg, "text", f"{count} {word}", x=legend + 18, y=65)
    return _markup(svg)


def dice_histogram(values: Sequence[tuple[float, str]], bins: int = 20) -> Markup:
    """Histogram of (predicted Dice, decision) over [0, 1], stacked by decision."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    counts = {
        key: np.histogram([min(max(v, 0.0), 1.0) for v, decision in values if decision == key], edges)[0]
        for key in DECISIONS
    }
    median = float(np.median([value for value, _ in values]))
    svg = _svg(WIDTH, 230, f"Histogram of the predicted Dice of {len(values)} labels; median {median:.2f}.")
    totals = sum(counts.values())
    x = Scale(0, 1, 48, WIDTH - 12)
    y = nice_scale([0.0, float(np.max(totals))], 182, 14)
    _x_axis(svg, x, 182, 182, "predicted Dice")
    _y_axis(svg, y, 48, WIDTH - 12, "labels")
    base = np.zeros(bins)
    for key, heights in counts.items():
        for index in np.flatnonzero(heights):
            lower, upper = y(base[index]), y(base[index] + heights[index])
            bar = _add(svg, "rect", class_=f"decision {key}", x=x(edges[index]) + 1, y=upper, height=lower - upper)
            bar.set("width", _attribute(x(edges[1]) - x(0) - 2))
            _add(bar, "title", f"{edges[index]:.2f}–{edges[index + 1]:.2f}: {heights[index]} {DECISIONS[key]}")
        base += heights
    return _markup(svg)


def spread(sources: Mapping[str, Sequence[float]], drifted: Iterable[str], axis: str) -> Markup:
    """One row a source: line over 5-95 % of its values, bar over 25-75 %, mark at the median."""
    width, left, right = 300, 82, 62
    known = {name: np.asarray([v for v in values if math.isfinite(v)]) for name, values in sources.items()}
    parts = {name: np.percentile(values, [5, 25, 50, 75, 95]) for name, values in known.items() if values.size}
    summary = "; ".join(f"{name} median {_short(q[2])}" for name, q in parts.items())
    height = 8 + 30 * len(parts)
    svg = _svg(width, height + 24, f"{axis}: {summary}")
    x = nice_scale([v for q in parts.values() for v in q], left, width - right)
    _x_axis(svg, x, height, 4, "", ticks=2)
    for index, (name, (p5, p25, p50, p75, p95)) in enumerate(parts.items()):
        y = 20 + 30 * index
        group = _add(svg, "g", class_=f"source {name}" if name in ("gold", "weak", "synthetic") else "source")
        _add(group, "text", name, class_="strong", x=0, y=y + 4)
        _add(group, "path", class_="whisker", d=f"M{x(p5):.1f} {y}H{x(p95):.1f}")
        _add(group, "rect", class_="box", x=x(p25), y=y - 6, width=max(x(p75) - x(p25), 1.0), height=12)
        _add(group, "path", class_="median", d=f"M{x(p50):.1f} {y - 9}v18")
        text = f"{_short(p50)}{' ▲' if name in drifted else ''}"
        _add(group, "text", text, class_="strong" if name in drifted else "", x=width - right + 8, y=y + 4)
    return _markup(svg)


def lines(curves: Mapping[str, Sequence[tuple[int, float]]], axis: str) -> Markup:
    """Learning curves of one quantity over training steps, with each one's last value in the legend below."""
    known = {name: [(s, v) for s, v in points if math.isfinite(v)] for name, points in curves.items()}
    known = {
        name: points[: -1 : math.ceil(len(points) / 200)] + points[-1:] for name, points in known.items() if points
    }
    left, right, bottom = 56, WIDTH - 14, 190
    ends = "; ".join(f"{name} ends at {_short(points[-1][1])}" for name, points in known.items())
    columns = 2 if max(map(len, known), default=0) <= 12 else 1
    svg = _svg(WIDTH, bottom + 48 + 20 * math.ceil(len(known) / columns), f"{axis} over training steps. {ends}.")
    x = Scale(0, max(1.0, *(float(step) for points in known.values() for step, _ in points)), left, right)
    y = nice_scale([value for points in known.values() for _, value in points], bottom, 14)
    _x_axis(svg, x, bottom, bottom, "training step")
    _y_axis(svg, y, left, right, axis)
    for index, (name, points) in enumerate(known.items()):
        group = _add(svg, "g", class_=f"curve c{ {'final': 0, 'baseline': 1}.get(name, index % 5) }")
        _add(group, "path", d="M" + "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in points))
        if len(points) <= 12:
            for step, value in points:
                _add(group, "circle", cx=x(step), cy=y(value), r=2.5)
        legend_x, legend_y = left + index % columns * (right - left) / 2, bottom + 60 + 20 * (index // columns)
        _add(group, "path", d=f"M{legend_x:.1f} {legend_y - 4}h26")
        _add(group, "text", f"{name} {_short(points[-1][1])}", x=legend_x + 32, y=legend_y)
    return _markup(svg)


def _marker(parent: ET.Element, kind: str, x: float, y: float, r: float) -> None:
    """The gold-only model is a hollow diamond, everything else a filled disc."""
    if kind == "base":
        _add(
            parent,
            "path",
            class_="marker",
            d=f"M{x - r - 1:.1f} {y}l{r + 1} {-r - 1}l{r + 1} {r + 1}l{-r - 1} {r + 1}z",
        )
    else:
        _add(parent, "circle", class_="marker", cx=x, cy=y, r=r)


def _x_axis(svg: ET.Element, x: Scale, y: float, top: float, title: str, ticks: int = 5) -> None:
    for tick in x.ticks(ticks):
        _add(svg, "line", class_="grid", x1=x(tick), x2=x(tick), y1=top, y2=y + 4)
        _add(svg, "text", _short(tick), class_="tick", x=x(tick), y=y + 17, text_anchor="middle")
    _add(svg, "line", class_="axis", x1=x.start, x2=x.end, y1=y, y2=y)
    if title:
        _add(svg, "text", title, class_="soft", x=(x.start + x.end) / 2, y=y + 36, text_anchor="middle")


def _y_axis(svg: ET.Element, y: Scale, left: float, right: float, title: str) -> None:
    for tick in y.ticks(4):
        _add(svg, "line", class_="grid", x1=left, x2=right, y1=y(tick), y2=y(tick))
        _add(svg, "text", _short(tick), class_="tick", x=left - 6, y=y(tick) + 4, text_anchor="end")
    middle = (y.start + y.end) / 2
    turn = f"rotate(-90 12 {middle:.1f})"
    _add(svg, "text", title, class_="soft", x=12, y=middle, text_anchor="middle", transform=turn)


def _round_step(raw: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next(f * magnitude for f in (1.0, 2.0, 5.0, 10.0) if f * magnitude >= raw * (1 - 1e-9))


def _short(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "0" if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def _svg(width: float, height: float, label: str) -> ET.Element:
    return ET.Element(
        "svg", {"class": "chart", "viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-label": label}
    )


def _add(parent: ET.Element, tag: str, text: str = "", **attributes: object) -> ET.Element:
    names = {key.rstrip("_").replace("_", "-"): _attribute(value) for key, value in attributes.items()}
    element = ET.SubElement(parent, tag, names)
    element.text = text or None
    return element


def _attribute(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, (float, np.floating)) else str(value)


def _markup(svg: ET.Element) -> Markup:
    return Markup(ET.tostring(svg, encoding="unicode"))  # noqa: S704 - ElementTree escaped every text and attribute
