"""Promotion that does no harm: the rule that says whether a version becomes the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medweave.config import Promotion

Interval = tuple[float, float, float]
"""Mean paired difference in Dice, and the lower and upper end of its 95 % interval."""


@dataclass(frozen=True)
class Part:
    """The challenger - champion difference in one part of the test set, of `images` images, and what it may lose."""

    name: str
    images: int
    delta: Interval
    margin: float


@dataclass(frozen=True)
class Evidence:
    """All that speaks for or against a challenger.

    `gold_only` and `champion` are its paired differences with these on the same test images; `champion` is None when
    there is none. `shares` are those of weak and synthetic labels among the ones it learned from, 0..1; `checks` maps
    a check to why it failed, "" if it did not.
    """

    test_images: int
    gold_only: Interval
    champion: Interval | None = None
    parts: tuple[Part, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PromotionDecision:
    """Whether to promote, why in one sentence, and the numbers that this rests on."""

    promoted: bool
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def decide_promotion(evidence: Evidence, settings: Promotion) -> PromotionDecision:
    """Decide whether a challenger becomes the champion; see `medweave.config.Promotion`.

    Of the whole test set the interval's lower end counts: above 0 against gold-only, above -margin against the
    champion. Of a part the mean counts, as the interval of few images is wide. A difference that is NaN does not pass.
    """
    images = evidence.test_images
    beats = f"beat gold-only training ({_text(evidence.gold_only)})"
    passed, failed = [f"it {beats}"], []
    if images < settings.min_test:
        failed.append(f"it was tested on {images} images and at least {settings.min_test} are needed")
    if not evidence.gold_only[1] > 0:
        failed.append(f"it did not surely {beats}")
    if evidence.champion is not None:
        harm = f"worse than the champion by more than {settings.margin:g} ({_text(evidence.champion)})"
        passed.append(f"is not {harm}")
        if not evidence.champion[1] > -settings.margin:
            failed.append(f"it may be {harm}")
    for part in evidence.parts:
        if part.images >= settings.min_subgroup and not part.delta[0] >= -part.margin:
            where = f"the {part.images} images of {part.name}"
            failed.append(
                f"on {where} it is worse than the champion by more than {part.margin:g} ({_text(part.delta)})"
            )
    for source, most in (("weak", settings.max_weak), ("synthetic", settings.max_synthetic)):
        share = evidence.shares.get(source, 0.0)
        if share > most:
            failed.append(f"{share:.0%} of its labels are {source} and at most {most:.0%} may be")
    failed += [
        f"the {check} check did not pass: {why}"
        for check in settings.checks
        if (why := evidence.checks.get(check, "it was not made"))
    ]
    numbers = _numbers(evidence, settings)
    if failed:
        return PromotionDecision(False, f"Not promoted: {'; '.join(failed)}.", numbers)
    return PromotionDecision(True, f"Promoted: {' and '.join(passed)} on {images} test images.", numbers)


def _numbers(evidence: Evidence, settings: Promotion) -> dict[str, float]:
    numbers = {"test_images": float(evidence.test_images), "min_test": float(settings.min_test)}
    numbers |= _named("delta_gold_only", evidence.gold_only)
    if evidence.champion is not None:
        numbers |= _named("delta_champion", evidence.champion) | {"margin": settings.margin}
    for part in evidence.parts:
        key = f"subgroup.{part.name}"
        numbers |= _named(key, part.delta) | {f"{key}.images": float(part.images), f"{key}.margin": part.margin}
    shares = {"weak": settings.max_weak, "synthetic": settings.max_synthetic}
    for source, share in evidence.shares.items():
        numbers |= {f"share_{source}": share, f"max_share_{source}": shares[source]}
    return numbers


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}.{end}": value for end, value in zip(("mean", "low", "high"), interval, strict=True)}


def _text(interval: Interval) -> str:
    mean, low, high = interval
    return f"difference in Dice {mean:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
