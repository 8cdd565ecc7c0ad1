"""The page of one batch: the verdict first, then the few columns that moved, then pictures beside gold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medweave.report import charts
from medweave.report.content import Example
from medweave.report.page import number, render
from medweave.report.tiles import legend, picture_row

WORDS: Mapping[str, str] = {
    "image.side": "Size of the image, in pixels",
    "image.aspect": "Width divided by height",
    "image.brightness": "Brightness of the image",
    "image.contrast": "Contrast of the image",
    "image.noise": "Noise of the image",
    "image.sharpness": "Sharpness of the image",
    "image.saturation": "Colourfulness of the image",
    "image.embedding_distance": "Unlikeness to the training images",
    "label.area_share": "Share of the image that is labelled",
    "label.components": "Separate pieces of the label",
    "label.compactness": "Roundness of the label",
    "label.center_x": "Place of the label, from left to right",
    "label.center_y": "Place of the label, from top to bottom",
    "label.border_contact": "Label's contact with the image's border",
    "label.contrast": "Contrast, inside the label against around",
    "label.empty": "Images where nothing was found",
    "label.agreement": "Agreement of the label and the model",
    "model.confidence": "Confidence of the model",
    "model.flip_agreement": "Agreement of the model with itself, mirrored",
    "model.disagreement": "Disagreement of champion and challenger",
}
HEADLINES = {
    "ok": "These images look like what the model was made for",
    "watch": "Something is a little different: keep an eye on it",
    "drift": "These images or labels are not what the model was made for",
}


@dataclass(frozen=True)
class DriftContent:
    """What a batch's page shows.

    `facts` are `task`, `batch`, `source`, `time`, `champion`, `labels`; `verdict` is that of quality control's
    `BatchVerdict.to_json`. `values` maps a column to its values by side (`training`, `earlier batch`, `batch`).
    `typical` and `extreme` are pictures of the batch, each named after its column; `gold` are the experts'.
    """

    facts: Mapping[str, Any]
    verdict: Mapping[str, Any]
    values: Mapping[str, Mapping[str, Sequence[float]]]
    typical: Sequence[Example]
    extreme: Sequence[Example]
    gold: Sequence[Example]
    classes: Sequence[str]


def render_batch(content: DriftContent) -> str:
    """The page as HTML text: no script, no external resource."""
    columns = content.verdict["columns"]
    level = content.verdict["level"]
    return render(
        "drift.html.j2",
        {
            "content": content,
            "facts": content.facts,
            "level": level,
            "headline": HEADLINES[level],
            "images": content.verdict["images"],
            "notes": content.verdict["notes"],
            "moved": [one for one in columns if one["level"] != "ok"],
            "others": [one for one in columns if one["level"] == "ok"],
            "spreads": {column: charts.spread(sides, (), told(column)) for column, sides in content.values.items()},
            "told": told,
            "number": number,
            "short": lambda value: f"{value:.3g}".replace("-", "−"),
            "rows": lambda shown: [picture_row(example, content.classes) for example in shown],
            "legend": lambda shown: legend(shown, content.classes),
            "has_heat": lambda shown: any(example.coarse is not None for example in shown),
        },
    )


def told(column: str) -> str:
    """A column in plain words."""
    return WORDS.get(column, column.replace("_", " ").replace(".", ", "))
