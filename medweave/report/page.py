"""The run's HTML page: one file that needs no other, readable by a clinician and by an engineer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medweave.report import charts
from medweave.report.calibration import reason_rows, told_assessment, told_calibration, told_second_opinion
from medweave.report.content import ReportContent
from medweave.report.synthesis import synthetic_row, told_checks, told_choice, told_copies
from medweave.report.tiles import legend, picture_row

METRICS = (
    ("dice", "Dice", 3, "higher"),
    ("iou", "IoU (Jaccard)", 3, "higher"),
    ("nsd", "Surface Dice (NSD)", 3, "higher"),
    ("hd95", "Hausdorff distance, 95 % (HD95), in pixels", 1, "lower"),
)
FEATURES = {
    "area_share": "Share of the image that is labelled",
    "components": "Separate pieces",
    "contrast": "Contrast, inside against around",
    "agreement": "Agreement of coarse model and label",
    "margin": "How sure the coarse model is in and around the label",
}
SETTINGS = (
    ("Seed", "{seed}"),
    ("Profile", "{profile}"),
    ("Network", "{segmentation[architecture]}"),
    ("Encoder", "{segmentation[encoder]}"),
    ("Input size", "{segmentation[image_size]} px"),
    ("Folds on gold", "{segmentation[folds]}"),
    ("Training steps, at most", "{segmentation[coarse_steps]} coarse, {segmentation[final_steps]} final and baseline"),
    ("Labeler", "{labeling[labeler]}, prompted by {labeling[prompts][kind]}"),
    ("Accepted from", "predicted Dice {quality[accept]}, interval from {quality[accept_low]}"),
    ("Reviewed from", "predicted Dice {quality[review]}"),
    ("Surface tolerance (NSD)", "{evaluation[surface_tolerance]} px"),
)
MAX_WARNINGS = 100


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval; `low` and `high` are None where no interval is known."""

    mean: float
    low: float | None = None
    high: float | None = None

    def text(self, digits: int = 3, signed: bool = False) -> str:
        """Such as `0.681 (0.640 to 0.722)`."""
        interval = self.interval(digits, signed)
        return number(self.mean, digits, signed) + (f" ({interval})" if interval else "")

    def interval(self, digits: int = 3, signed: bool = False) -> str:
        """Such as `0.640 to 0.722`; empty where no interval is known."""
        if self.low is None or self.high is None:
            return ""
        return f"{number(self.low, digits, signed)} to {number(self.high, digits, signed)}"


def render_report(content: ReportContent) -> str:
    """The page as HTML text: no script, no external resource."""
    return render("report.html.j2", _context(content))


def render(template: str, context: Mapping[str, Any]) -> str:
    """A template of this folder as HTML text; everything that comes from data is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(context)
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def verdict(summary: Mapping[str, Any]) -> str:
    """The run's outcome in one plain sentence."""
    difference = estimate(_at(summary, "delta", "dice"))
    added = sum(_at(summary, "labels", source, "accepted") or 0 for source in ("weak", "synthetic"))
    promoted = bool(_at(summary, "model", "promoted"))
    better = False
    if difference is None:
        effect = "This run did not compare its final model with gold-only training"
    elif not added:
        effect = "No machine-made label was accepted, so the final model learned from expert labels alone"
    elif difference.low is None or difference.high is None:
        change = "improved" if difference.mean > 0 else "did not improve"
        effect = f"Adding machine-made labels {change} the average, but no interval says how sure that is"
    elif difference.low > 0:
        better = True
        effect = "Adding machine-made labels made the model better than expert labels alone"
    elif difference.high < 0:
        effect = "Adding machine-made labels made the model worse than expert labels alone"
    else:
        effect = "Adding machine-made labels made no clear difference compared with expert labels alone"
    return f"{effect}, {'and' if better == promoted else 'but'} it was {'' if promoted else 'not '}promoted."


def estimate(metric: Any) -> Estimate | None:
    """Read `{"mean": m, "ci95": [low, high]}`; None where there is no finite mean."""
    mean = _at(metric, "mean")
    if mean is None or not math.isfinite(mean):
        return None
    ends = list(_at(metric, "ci95") or [])
    if len(ends) != 2 or not all(end is not None and math.isfinite(end) for end in ends):
        return Estimate(mean)
    return Estimate(mean, ends[0], ends[1])


def number(value: float, digits: int = 3, signed: bool = False) -> str:
    """`value` with so many decimals and a true minus sign."""
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds in the largest fitting units: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _context(content: ReportContent) -> dict[str, Any]:
    base, final = (_at(content.summary, "test", which) or {} for which in ("gold_only", "final"))
    labels = {
        source: counts
        for source in ("weak", "synthetic")
        if (counts := _at(content.summary, "labels", source)) and counts.get("made")
    }
    examples = {name: rows for name in ("best", "typical", "worst") if (rows := content.label_examples.get(name))}
    predicted = [(value, decision) for value, decision in content.predicted_dice if math.isfinite(value)]
    per_image = [row for row in content.per_image if math.isfinite(row[1]) and math.isfinite(row[2])]
    reasons = list(reason_rows(content.calibration))
    curves, facts = _by_quantity(content.curves), list(_facts(content.settings_yaml))
    if content.learned:
        facts.append(("Labeler on gold", content.learned))
    present = {
        "data": True,
        "labels": bool(examples),
        "synthesis": bool(content.synthesis),
        "quality": bool(labels or predicted or reasons),
        "result": True,
        "failures": bool(content.failures or content.losses),
        "training": bool(curves or facts or content.versions or content.summary.get("seconds")),
        "glossary": True,
    }
    return {
        "content": content,
        "summary": content.summary,
        "verdict": verdict(content.summary),
        "present": [section for section, there in present.items() if there],
        "base": estimate(base.get("dice")),
        "final": estimate(final.get("dice")),
        "difference": estimate(_at(content.summary, "delta", "dice")),
        "with_structure": base.get("with_structure") or final.get("with_structure"),
        "metrics": [*_metric_rows(base, final), *_class_rows(content.classes, base, final)],
        "ablation": [(part["name"], estimate(part["dice"]), estimate(part["difference"])) for part in content.ablation],
        "labels": labels,
        "examples": examples,
        "label_examples": [example for group in examples.values() for example in group],
        "told_checks": told_checks,
        "told_choice": told_choice,
        "told_copies": told_copies,
        "synthetic_rows": [synthetic_row(example, content.classes) for example in content.synthetic_examples],
        "predicted": predicted,
        "told_calibration": told_calibration(content.calibration),
        "told_assessment": told_assessment(content.calibration) if content.calibration.get("points") else "",
        "points": content.calibration.get("points", []),
        "reasons": reasons,
        "second_opinion": told_second_opinion(content.calibration),
        "per_image": per_image,
        "features": list(_features(content)),
        "drifted": {source: _drifted(content, source) for source in content.drift},
        "curves": curves,
        "facts": facts,
        "warnings": content.warnings[:MAX_WARNINGS],
        "rows": lambda rows: [picture_row(example, content.classes) for example in rows],
        "legend": lambda rows: legend(rows, content.classes),
        "has_heat": lambda rows: any(example.coarse is not None for example in rows),
        "charts": charts,
        "interval_rows": _interval_rows,
        "number": number,
        "duration": duration,
    }


def _metric_rows(base: Mapping[str, Any], final: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(name, gold-only, final, which direction is better) of each metric that either model has."""
    for key, name, digits, better in METRICS:
        pair = [estimate(side.get(key)) for side in (base, final)]
        if any(pair):
            texts = [value.text(digits) if value else "–" for value in pair]
            yield name, texts[0], texts[1], better
    shown = [side.get("with_structure", {}) for side in (base, final)]
    if any(shown):
        gold_only, found = (value.text(3) if (value := estimate(_at(side, "dice"))) else "–" for side in shown)
        yield "Dice where there is something", gold_only, found, "higher"
    pairs = zip(shown, (base, final), strict=True)
    rates = [parts["missed_rate"] if parts else side.get("empty_rate") for parts, side in pairs]
    if any(rate is not None for rate in rates):
        texts = ["–" if rate is None else f"{100 * rate:.1f} %" for rate in rates]
        yield "Structure missed, of the images that have one", texts[0], texts[1], "lower"


def _class_rows(
    classes: Sequence[str], base: Mapping[str, Any], final: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    """Rows as of `_metric_rows`: the Dice of each of several classes."""
    for name, *sides in zip(classes, base.get("by_class", ()), final.get("by_class", ()), strict=False):
        gold_only, found = (value.text(3) if (value := estimate(side["dice"])) else "–" for side in sides)
        yield f"Dice of {name}", gold_only, found, "higher"


def _interval_rows(rows: Sequence[tuple[str, str, Estimate | None]], signed: bool = False) -> list[charts.Interval]:
    return [charts.Interval(label, kind, e.mean, e.low, e.high, e.text(signed=signed)) for label, kind, e in rows if e]


def _features(content: ReportContent) -> Iterator[tuple[str, str, dict[str, Sequence[float]], list[str]]]:
    """(name, plain words, values by source, sources in which it drifted) of each feature."""
    names = dict.fromkeys(name for features in content.label_features.values() for name in features)
    for name in names:
        sources = {source: features[name] for source, features in content.label_features.items() if name in features}
        if any(math.isfinite(value) for values in sources.values() for value in values):
            drifted = [source for source in sources if name in _drifted(content, source)]
            yield name, FEATURES.get(name, name.replace("_", " ").capitalize()), sources, drifted


def _drifted(content: ReportContent, source: str) -> list[str]:
    return [found["feature"] for found in content.drift.get(source, ()) if found["drifted"]]


def _by_quantity(
    curves: Mapping[str, Sequence[tuple[int, float]]],
) -> dict[str, dict[str, Sequence[tuple[int, float]]]]:
    grouped: dict[str, dict[str, Sequence[tuple[int, float]]]] = {}
    for name, points in curves.items():
        if any(math.isfinite(value) for _, value in points):
            subject, _, quantity = name.rpartition(" ")
            grouped.setdefault(quantity, {})[subject or quantity] = points
    return grouped


def _facts(settings_yaml: str) -> Iterator[tuple[str, str]]:
    """The settings that a reader asks for first, in plain words."""
    import yaml

    settings = yaml.safe_load(settings_yaml) or {}
    if _at(settings, "segmentation", "architecture") == "Compact":  # it leaves no encoder to choose
        settings["segmentation"].pop("encoder", None)
    for name, template in SETTINGS:
        try:
            yield name, template.format_map(settings)
        except (KeyError, TypeError):
            continue


def _at(tree: Any, *keys: str) -> Any:
    """The value under nested keys, or None where a mapping on the way is missing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
