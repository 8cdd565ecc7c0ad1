"""What each part of the final training is worth: the same training without it, on the same test images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation.evaluation import Evaluation
from medweave.segmentation.final import train_on
from medweave.segmentation.prediction import evaluate_segmenter
from medweave.segmentation.segmenter import Card
from medweave.segmentation.training_set import TrainingSet


@dataclass(frozen=True)
class Variant:
    """A way to train the final model, in words, with what it is trained on and how."""

    name: str
    data: TrainingSet
    settings: Settings


def variants(data: TrainingSet, settings: Settings) -> Iterator[Variant]:
    """The final training with one part off at a time; parts that are off anyway are left out.

    `data` is what the final model is trained on.
    """
    synthetic = np.array([row.label_source == "synthetic" for row in data.rows])
    made = synthetic | np.array([row.label_source == "weak" for row in data.rows])
    accepted = made & (data.weights > 0)
    weak = accepted & ~synthetic
    recipe = settings.segmentation
    if recipe.consistency.weight:
        off = recipe.consistency.model_copy(update={"weight": 0.0})
        yield Variant("without consistency on unlabeled images", data, _with(settings, consistency=off))
    if synthetic.any():
        yield Variant("without synthetic images", replace(data, drawn=data.drawn & ~synthetic), settings)
    if weak.any():
        yield Variant("without weak labels", _weighted(data, weak, 0.0), settings)
    if accepted.any():
        yield Variant("accepted labels at full weight", _weighted(data, accepted, 1.0), settings)
        if recipe.noise:
            yield Variant("plain cross-entropy on weak labels", data, _with(settings, noise=0.0))
    if made.any() and not accepted.all():
        yield Variant("all labels, accepted or not, at full weight", _weighted(data, made, 1.0), settings)


def ablate(
    data: TrainingSet, coarse: Card, settings: Settings, test: ImageTable, final: Evaluation, work: Path
) -> list[dict[str, Any]]:
    """Train and measure every variant: its `name`, `dice`, and the `difference` in Dice to the final model.

    Both are `{"mean": m, "ci95": [low, high]}`; a negative difference says that the part helps.
    """
    resamples, seed = settings.evaluation.resamples, settings.seed
    measured = []
    for number, variant in enumerate(variants(data, settings)):
        model = train_on(variant.data, coarse, variant.settings, variant.name, work / f"variant-{number}")
        found = evaluate_segmenter(model, test, settings)
        difference = found.difference(final, resamples=resamples, seed=seed)
        measured.append(
            {
                "name": variant.name,
                "dice": found.summary(resamples, seed)["dice"],
                "difference": difference.to_json(),
            }
        )
    return measured


def _with(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"segmentation": settings.segmentation.model_copy(update=changes)})


def _weighted(data: TrainingSet, chosen: np.ndarray, weight: float) -> TrainingSet:
    return replace(data, weights=np.where(chosen, np.float32(weight), data.weights).astype(np.float32))
