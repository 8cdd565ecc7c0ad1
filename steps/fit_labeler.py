"""Fit the labeler to gold: train or adapt it, and choose the settings of its prompts."""

from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.labeling import FittedLabeler, GoldImage, Target, bounds_from_masks, configured_labeler
from medweave.labeling import fit_labeler as fit
from medweave.segmentation import OutOfFold, Segmenter
from medweave.work import work_folder
from steps.caching import LABELING


@step(cache_policy=LABELING)
def fit_labeler(
    gold: ImageTable, coarse: Segmenter, labeler: dict[str, Any], settings: Settings
) -> Annotated[FittedLabeler, "fitted_labeler"]:
    """Weights for each fold of the coarse model that never saw it, weights from all gold, and the prompts' settings.

    `labeler` is what the labeler was when the run started: what was fitted is reused only while it is the same.
    """
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    made = configured_labeler(settings)
    rows = list(gold)
    images = []
    for row in rows:
        image = to_rgb8(read_image(row.image_uri, max_pixels))
        mask = read_mask(row.mask, classes, max_pixels)
        images.append(GoldImage(Target(row.image_id, row.image_sha256, row.group_id, image), mask))
    seen = OutOfFold(coarse.on(settings.compute)).probabilities([image.target.image for image in images], rows)
    bounds = bounds_from_masks([image.mask for image in images], classes, settings.quality.slack)
    folds = coarse.card.training["folds"]
    with work_folder("fit", gold.digest, coarse.digest, labeler, settings.model_dump(mode="json")) as work:
        return fit(made, images, list(seen), folds, bounds, settings.labeling, settings.seed, work)
