"""Accept, review or reject: what a label must be like to be trained on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medweave.config import Quality
from medweave.data.table import Decision

RELATIVE = ("area_share", "compactness")


@dataclass(frozen=True)
class LabelBounds:
    """The lowest and highest value that a label's features may have; a feature not named is free.

    `most_components` are the components of each class, class 1 first, that a label keeps when it is cleaned; None: all.
    """

    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    most_components: tuple[int, ...] | None = None

    def broken(self, features: Mapping[str, float]) -> str | None:
        """Say which feature lies outside, or None."""
        for name, (low, high) in self.limits.items():
            if not low <= features[name] <= high:
                return f"{name} {features[name]:.4g} is outside {low:.4g} to {high:.4g}"
        return None


def bounds_from_features(features: Sequence[Mapping[str, float]], slack: float) -> LabelBounds:
    """What gold labels show, widened: area_share and compactness by the factor 1 + slack, components by one.

    Empty gold labels are left out; without others there are no bounds.
    """
    filled = [f for f in features if f["components"] > 0]
    if not filled:
        return LabelBounds()
    limits = {
        name: (min(f[name] for f in filled) / (1 + slack), max(f[name] for f in filled) * (1 + slack))
        for name in RELATIVE
    }
    counts = [f["components"] for f in filled]
    limits["components"] = (max(1.0, min(counts) - 1), max(counts) + 1)
    return LabelBounds(limits)


def decide(
    predicted_dice: float | None,
    low: float | None,
    features: Mapping[str, float],
    bounds: LabelBounds,
    settings: Quality,
    coarse_dice: float = 0.0,
) -> tuple[Decision, float, str]:
    """Decide on a label and say why: the decision, its training weight, the reason.

    Rejected: an empty mask, predicted Dice below `settings.review`. To review: below `settings.accept`, or not
    predicted (None), or with `low`, the lower end of its interval, below `settings.accept_low` (None, no interval,
    counts as 0), or below `coarse_dice`, what the coarse model reaches by itself: such a label would teach it mistakes.
    Out of bounds, where gold does not tell whether the prediction holds, a label that would be accepted goes to review,
    and one that would go to review is rejected. The weight is the predicted Dice (0..1) of an accepted label and 0 of
    any other.
    """
    if features["components"] == 0:
        return "reject", 0.0, "the mask is empty"
    decision, weight, reason = _by_dice(predicted_dice, low, settings, coarse_dice)
    if decision != "reject" and (broken := bounds.broken(features)):
        return ("review" if decision == "accept" else "reject"), 0.0, f"{broken} (from gold)"
    return decision, weight, reason


def kind_of(reason: str) -> str:
    """A reason that `decide` or `choose_labels` gave, without the numbers that are the label's own."""
    return re.sub(r"^(predicted Dice|second opinion|\w+) [\d.e+-]+( \(at least [\d.]+\))?", r"\1", reason)


def _by_dice(
    predicted_dice: float | None, low: float | None, settings: Quality, coarse_dice: float
) -> tuple[Decision, float, str]:
    """What `decide` says of a label within bounds."""
    if predicted_dice is None:
        return "review", 0.0, "the Dice could not be predicted"
    dice = f"predicted Dice {predicted_dice:.2f}" + ("" if low is None else f" (at least {low:.2f})")
    if predicted_dice < settings.review:
        return "reject", 0.0, f"predicted Dice {predicted_dice:.2f} is below {settings.review:g}"
    if predicted_dice < settings.accept:
        return "review", 0.0, f"{dice} is below {settings.accept:g}"
    if (low or 0.0) < settings.accept_low:
        return "review", 0.0, f"{dice} has a lower end below {settings.accept_low:g}"
    if predicted_dice < coarse_dice:
        return "review", 0.0, f"{dice} is below {coarse_dice:.2f}, which the coarse model reaches on gold by itself"
    return "accept", predicted_dice, f"{dice} reaches {settings.accept:g}"
