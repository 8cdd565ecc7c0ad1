"""Decide which made labels to trust, and compare them with gold."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.home import work_folder
from medweave.quality import check_labels as check
from medweave.quality import feature_frame, label_report, measure_labels, with_coarse
from steps.caching import QUALITY


@step(cache_policy=QUALITY)
def check_labels(
    gold: ImageTable, gold_weak: ImageTable, weak: ImageTable, synthetic: ImageTable, settings: Settings
) -> tuple[
    Annotated[ImageTable, "weak"],
    Annotated[ImageTable, "synthetic"],
    Annotated[ImageTable, "measured_gold"],
    Annotated[dict[str, list[str]], "drifted"],
    Annotated[HTMLString, "labels_page"],
]:
    """Cleaned labels with predicted Dice, decision and weight; gold with the same features; what differs from gold."""
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    inputs = [table.digest for table in (gold, gold_weak, weak, synthetic)]
    with work_folder("check", *inputs, settings.model_dump(mode="json")) as work:
        reference = with_coarse(gold, gold_weak, work / "gold")
        weak, synthetic = (
            check(table, reference, gold_weak, settings.quality, classes, max_pixels, work / name)
            for name, table in (("weak", weak), ("synthetic", synthetic))
        )
        measured = measure_labels(reference, classes, max_pixels, work / "measured")
    compared = label_report(
        {
            "gold": feature_frame(measured, "gold"),
            "weak": feature_frame(weak, "weak"),
            "synthetic": feature_frame(synthetic, "synthetic"),
        }
    )
    drifted = {
        source: [feature for feature, (_, differs) in features.items() if differs]
        for source, features in compared.drifted.items()
    }
    page = compared.html or "<p>Too few labels to compare.</p>"
    return weak, synthetic, measured, drifted, HTMLString(page)
