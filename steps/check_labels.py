"""Decide which made labels to trust, and compare them with gold."""

from typing import Annotated, Any

from zenml import step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.quality import check_labels as check
from medweave.quality import (
    choose_labels,
    count_kept,
    count_reasons,
    gold_standard,
    label_frames,
    label_report,
    measure_labels,
    with_coarse,
)
from medweave.work import work_folder
from steps.caching import QUALITY


@step(cache_policy=QUALITY)
def check_labels(
    gold: ImageTable,
    gold_weak: ImageTable,
    weak: ImageTable,
    settings: Settings,
    second: ImageTable | None = None,
) -> tuple[
    Annotated[ImageTable, "weak"],
    Annotated[ImageTable, "measured_gold"],
    Annotated[dict[str, Any], "drift"],
    Annotated[dict[str, Any], "calibration"],
    Annotated[HTMLString, "labels_page"],
]:
    """Cleaned labels with predicted Dice, decision and weight; gold with the same features; what differs from gold.

    With `second`, masks of the same images that were made elsewhere, the better label of each image. The calibration
    tells how the predicted Dice was learnt and how well it holds, why labels were not accepted, and how many of
    `second` were kept.
    """
    quality, classes, max_pixels = settings.quality, len(settings.data.classes), settings.data.max_pixels
    inputs = [table.digest for table in (gold, gold_weak, weak, second) if table is not None]
    with work_folder("check", *inputs, settings.model_dump(mode="json")) as work:
        reference = with_coarse(gold, gold_weak, work / "gold")
        standard = gold_standard(reference, gold_weak, [weak], quality, classes, max_pixels)
        weak = check(weak, standard, quality, classes, max_pixels, work / "weak")
        told = standard.to_json()
        if second is not None:
            beside = gold_standard(reference, gold_weak, [second], quality, classes, max_pixels, standard)
            second = check(second, beside, quality, classes, max_pixels, work / "second")
            weak = choose_labels(weak, second, quality, classes, max_pixels, work / "chosen")
            told["second_opinion"] = count_kept(weak, second)
        measured = measure_labels(reference, classes, max_pixels, work / "measured")
    compared = label_report(label_frames(measured, weak), quality.drift_effect, settings.seed)
    page = compared.html or "<p>Too few labels to compare.</p>"
    told["reasons"] = {"weak": count_reasons(weak)}
    return weak, measured, compared.to_json(), told, HTMLString(page)
