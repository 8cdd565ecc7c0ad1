"""Make weak labels: coarse prediction, prompts, promptable model."""

from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.masks import read_mask
from medweave.data.table import LabelSource
from medweave.home import home, work_folder
from medweave.labeling import Chain, FittedLabeler, bounds_from_masks, configured_labeler, label_images, labeler_for
from medweave.segmentation import OutOfFold, Segmenter
from steps.caching import LABELING


@step(cache_policy=LABELING)
def label(
    images: ImageTable,
    gold: ImageTable,
    coarse: Segmenter,
    labeler: dict[str, Any],
    fitted: FittedLabeler,
    source: LabelSource,
    settings: Settings,
) -> Annotated[ImageTable, "labels"]:
    """A label for each image where there is one; gold images are prompted by a member that never saw them.

    `labeler` is what the labeler was when the run started: labels are reused only while it is the same. `fitted` is
    what gold taught it.
    """
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    made = configured_labeler(settings)
    masks = (read_mask(row.mask, classes, max_pixels) for row in gold)
    bounds = bounds_from_masks(masks, classes, settings.quality.slack)
    chain = Chain(
        OutOfFold(coarse), labeler_for(fitted, made), bounds, fitted.card.prompts, classes, fitted.card.coarse_share
    )
    inputs = (images.digest, gold.digest, coarse.digest, labeler, fitted.digest, settings.model_dump(mode="json"))
    with work_folder("label", source, *inputs) as work:
        return label_images(images, chain, source, work, max_pixels, home() / "labels")
