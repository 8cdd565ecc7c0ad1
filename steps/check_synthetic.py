"""Decide which synthetic images to trust, and compare gold, weak and synthetic labels."""

from typing import Annotated, Any

from zenml import step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.quality import check_labels as check
from medweave.quality import count_reasons, gold_standard, label_frames, label_report
from medweave.work import work_folder
from steps.caching import QUALITY


@step(cache_policy=QUALITY)
def check_synthetic(
    measured_gold: ImageTable, gold_weak: ImageTable, weak: ImageTable, samples: ImageTable, settings: Settings
) -> tuple[
    Annotated[ImageTable, "synthetic"],
    Annotated[dict[str, Any], "drift"],
    Annotated[dict[str, Any], "reasons"],
    Annotated[HTMLString, "labels_page"],
]:
    """The samples with predicted Dice, decision and weight, by the standard of weak labels; what differs from gold.

    `reasons` counts why synthetic labels were not accepted.
    """
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    inputs = [table.digest for table in (measured_gold, gold_weak, weak, samples)]
    with work_folder("check_synthetic", *inputs, settings.model_dump(mode="json")) as work:
        standard = gold_standard(measured_gold, gold_weak, [samples], settings.quality, classes, max_pixels)
        synthetic = check(samples, standard, settings.quality, classes, max_pixels, work / "synthetic")
    frames = label_frames(measured_gold, weak, synthetic)
    compared = label_report(frames, settings.quality.drift_effect, settings.seed)
    page = compared.html or "<p>Too few labels to compare.</p>"
    return synthetic, compared.to_json(), count_reasons(synthetic), HTMLString(page)
