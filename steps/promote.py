"""Decide whether the new version replaces the champion."""

from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation import Evaluation, Interval, Segmenter, evaluate_segmenter
from medweave.tracking import champion, connect, decide_promotion, resolve_model
from medweave.tracking import promote as carry_out


@step(enable_cache=False)
def promote(
    version: dict[str, Any], test: ImageTable, on_baseline: Evaluation, on_final: Evaluation, settings: Settings
) -> Annotated[dict[str, Any], "promotion"]:
    """Compare with gold-only training and with the champion on the same test images, and set the aliases."""
    client = connect(settings.tracking)
    name, resamples, seed = version["name"], settings.evaluation.resamples, settings.seed
    current = champion(client, name)
    against_champion = None
    if current is not None and current.version != version["version"]:
        segmenter = Segmenter.load(resolve_model(client, f"models:/{name}@champion"), settings.compute)
        on_champion = evaluate_segmenter(segmenter, test, settings)
        against_champion = _ends(on_final.difference(on_champion, resamples=resamples, seed=seed))
    gain = _ends(on_final.difference(on_baseline, resamples=resamples, seed=seed))
    decision = decide_promotion(gain, against_champion, len(test), settings.promotion)
    made = carry_out(client, name, version["version"], decision)
    return {"promoted": made.promoted, "reason": made.reason, "numbers": dict(made.numbers)}


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.low, interval.high
