"""The calibration of the predicted Dice in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medweave.report.charts import DECISIONS

SOURCES = {
    "chain": "the predicted Dice estimates it, from how well the same chain did on gold images it had not seen.",
    "simulated": (
        "the predicted Dice estimates it. There are no such outlines of gold images, or of too few (masks that were "
        "brought along have none), so the estimate was learned from gold outlines with errors made on purpose, and its "
        "interval holds as far as the real errors are like those."
    ),
}
UNCALIBRATED = (
    "the predicted Dice is simply how far outline and guess agree, without an interval: there were too few gold images "
    "to learn from how good such outlines are."
)
FEATURES = {
    "agreement": "agreement with the coarse model",
    "expected_dice": "agreement with its probabilities",
    "flip_agreement": "agreement of the coarse model with itself on flipped images",
    "prompt_agreement": "agreement over jittered prompts",
    "score": "the labeler's own score",
    "contrast": "contrast at the border",
}

MISSING = {"no prompt": "the coarse model sees nothing to point at (labeling.prompts.threshold)"}
"""Why a label was not made, for a reader who does not know the labeler."""
MOST_REASONS = 3
ENOUGH = 10
"""Groups of gold from which on correlation and coverage are worth a look."""


def told_calibration(calibration: Mapping[str, Any]) -> str:
    """Where the predicted Dice is from."""
    return SOURCES.get(calibration.get("source") or "", UNCALIBRATED)


def told_assessment(calibration: Mapping[str, Any]) -> str:
    """How well the predicted Dice would have done on the gold labels it was learnt from."""
    count = f"{calibration['labels']} gold labels of {_images(calibration['groups'])}"
    parts = [f"Each of {count} was predicted from the others."]
    if calibration["rank_correlation"] is not None:
        parts.append(
            f"Rank correlation with the true Dice: {calibration['rank_correlation']:.2f} (1 is a perfect order)."
        )
    if calibration["coverage"] is not None:
        parts.append(f"The 90 % interval held the true Dice in {100 * calibration['coverage']:.0f} %.")
    if calibration["groups"] < ENOUGH:
        parts.append("From so few images both numbers say little.")
    names = [FEATURES.get(name, name.replace("_", " ")) for name in calibration["features"]]
    if names:
        parts.append(f"Learned from: {', '.join(names)}.")
    parts.append("Filled: inside the interval. Hollow: outside. Line: the interval. Dashed: a perfect prediction.")
    return " ".join(parts)


def told_second_opinion(calibration: Mapping[str, Any]) -> str:
    """How many masks stood beside the labels, and what became of them; empty without a second opinion."""
    if not (counts := calibration.get("second_opinion")):
        return ""
    reasons = [f"{reason} ({count})" for reason, count in counts["missing"].items()]
    missing = "; ".join(reasons[:MOST_REASONS]) + ("; …" if len(reasons) > MOST_REASONS else "")
    if not counts["made"]:
        return f"No image got a second opinion: {missing}."
    none = f" {sum(counts['missing'].values())} others have none: {missing}." if missing else ""
    return (
        f"For {counts['made']} images a mask was brought along as a second opinion.{none} Its Dice is predicted from "
        f"gold outlines with errors made on purpose. Of {counts['kept']} of them it is the label, as it was predicted "
        f"to be better; {counts['accepted']} of these were accepted. A label that the other mask contradicts waits "
        "for an expert."
    )


def reason_rows(calibration: Mapping[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """(label source, decision, reason, count) of the labels that were not accepted, or not made."""
    for source, decisions in calibration.get("reasons", {}).items():
        for decision, reasons in decisions.items():
            for reason, count in reasons.items():
                yield source, DECISIONS.get(decision, "no label"), MISSING.get(reason, reason), count


def _images(groups: int) -> str:
    return f"{groups} group{'s' if groups != 1 else ''} of images"
