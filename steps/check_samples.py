"""Test every sample before it is used, and drop what fails."""

from dataclasses import replace
from itertools import chain
from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageRow, ImageTable, write_table
from medweave.data.masks import decode_mask
from medweave.data.probabilities import decode_probabilities
from medweave.home import home
from medweave.labeling import FittedLabeler, Made, MaskPrompts, configured_chain, label_images
from medweave.labeling.compact.features import image_features
from medweave.synthesis.checks import check_samples as check
from medweave.synthesis.checks import common_side, kept_rows, mask_agreement, read_pictures
from medweave.work import work_folder
from steps.caching import SAMPLES


@step(cache_policy=SAMPLES)
def check_samples(
    samples: ImageTable,
    labelled: ImageTable,
    gold: ImageTable,
    weak: ImageTable,
    labeler: dict[str, Any],
    fitted: FittedLabeler,
    settings: Settings,
) -> tuple[Annotated[ImageTable, "kept_samples"], Annotated[dict[str, Any], "sample_checks"]]:
    """The samples that nothing speaks against, and what was found about all of them.

    `labelled` are the samples as the coarse model prompted the labeler, `gold` and `weak` all real images that the
    generator learned from.
    """
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    inputs = [table.digest for table in (samples, labelled, gold, weak)]
    with work_folder("check_samples", *inputs, labeler, fitted.digest, settings.model_dump(mode="json")) as work:
        prompted = replace(configured_chain(settings, gold, MaskPrompts(classes), fitted), coarse_share=0.0)
        conditioned = write_table(work / "conditioned", (row for row in samples if row.mask))
        again = label_images(conditioned, prompted, "synthetic", work / "labels", max_pixels, home() / "labels")
        found = {row.image_id: row for row in again}
        agreement = [_agreement(sample, row, found, classes) for sample, row in zip(samples, labelled, strict=True)]
        side = common_side(samples)
        checked = check(
            read_pictures(samples, side, max_pixels),
            read_pictures(chain(gold, weak), side, max_pixels),
            image_features,
            settings.synthesis.checks,
            settings.data.duplicates.distance,
            settings.seed,
            agreement,
        )
        return write_table(work / "kept", kept_rows(samples, labelled, checked)), checked.to_json()


def _agreement(sample: ImageRow, seen: ImageRow, found: dict[str, ImageRow], classes: int) -> dict[str, float]:
    """Dice of the mask that a sample was made for with what the coarse model and the labeler find; {} without one."""
    if sample.mask.png is None:
        return {}
    condition, agreement = decode_mask(sample.mask.png), {}
    if seen.coarse:
        agreement["coarse"] = mask_agreement(condition, Made(decode_probabilities(seen.coarse, classes)).class_map())
    if png := found[sample.image_id].mask.png:
        agreement["labeler"] = mask_agreement(condition, decode_mask(png))
    return agreement
