"""Measure baseline and final model on the test set."""

from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation import Evaluation, Segmenter, evaluate_segmenter
from steps.caching import SEGMENTATION


@step(cache_policy=SEGMENTATION)
def evaluate(
    test: ImageTable, baseline: Segmenter, final: Segmenter, settings: Settings
) -> tuple[Annotated[Evaluation, "baseline_evaluation"], Annotated[Evaluation, "final_evaluation"]]:
    """Per-image metrics of both models on the same images."""
    return (
        evaluate_segmenter(baseline, test, settings),
        evaluate_segmenter(final, test, settings),
    )
