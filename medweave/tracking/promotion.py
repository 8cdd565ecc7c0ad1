"""Promotion that does no harm: whether a version becomes the champion, and the record of why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from medweave.config import Promotion
from medweave.tracking.registry import champion, set_alias

if TYPE_CHECKING:
    from mlflow import MlflowClient

Interval = tuple[float, float, float]
"""Mean paired difference in Dice, and the lower and upper end of its 95 % interval."""


@dataclass(frozen=True)
class PromotionDecision:
    """Whether to promote, why in one sentence, and the numbers that this rests on."""

    promoted: bool
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def decide_promotion(
    delta_gold_only: Interval, delta_champion: Interval | None, test_images: int, settings: Promotion
) -> PromotionDecision:
    """Decide by the paired differences challenger - gold-only and challenger - champion on the same test images.

    A challenger needs enough test images, must beat gold-only training (lower end above 0), and must not be worse
    than the champion, if there is one (lower end above -margin). A difference that is NaN does not pass.
    """
    numbers = {"test_images": float(test_images), "min_test": float(settings.min_test)}
    numbers |= _named("delta_gold_only", delta_gold_only)
    beats = f"beat gold-only training ({_text(delta_gold_only)})"
    passed, failed = [f"it {beats}"], []
    if test_images < settings.min_test:
        failed.append(f"it was tested on {test_images} images and at least {settings.min_test} are needed")
    if not delta_gold_only[1] > 0:
        failed.append(f"it did not surely {beats}")
    if delta_champion is not None:
        numbers |= _named("delta_champion", delta_champion) | {"margin": settings.margin}
        harm = f"worse than the champion by more than {settings.margin:g} ({_text(delta_champion)})"
        passed.append(f"is not {harm}")
        if not delta_champion[1] > -settings.margin:
            failed.append(f"it may be {harm}")
    if failed:
        return PromotionDecision(False, f"Not promoted: {'; '.join(failed)}.", numbers)
    return PromotionDecision(True, f"Promoted: {' and '.join(passed)} on {test_images} test images.", numbers)


def promote(client: MlflowClient, name: str, version: int, decision: PromotionDecision) -> PromotionDecision:
    """Carry the decision out and record it in the version's tags `promotion.*`.

    A promoted version becomes `champion` and the one before it `previous`; one that is not becomes `challenger`.
    A version that is the champion already stays it, its record untouched. Returns what came out.
    """
    current = champion(client, name)
    if current is not None and current.version == version:
        return PromotionDecision(True, f"Version {version} is the champion already and stays it.", decision.numbers)

    record = {
        "decision": "promoted" if decision.promoted else "not promoted",
        "reason": decision.reason,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "champion_before": "none" if current is None else str(current.version),
        **{key: f"{number:.6g}" for key, number in decision.numbers.items()},
    }
    for key, value in record.items():
        client.set_model_version_tag(name, str(version), f"promotion.{key}", value)
    if not decision.promoted:
        set_alias(client, name, "challenger", version)
        return decision
    if current is not None:
        set_alias(client, name, "previous", current.version)
    set_alias(client, name, "champion", version)
    if str(client.get_registered_model(name).aliases.get("challenger")) == str(version):
        client.delete_registered_model_alias(name, "challenger")
    return decision


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}.{end}": value for end, value in zip(("mean", "low", "high"), interval, strict=True)}


def _text(interval: Interval) -> str:
    mean, low, high = interval
    return f"difference in Dice {mean:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
