"""Make weak labels: coarse prediction, prompts, promptable model."""

from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.data.table import LabelSource
from medweave.home import home
from medweave.labeling import FittedLabeler, configured_chain, label_images
from medweave.segmentation import OutOfFold, Segmenter
from medweave.work import work_folder
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
    what gold taught it. What steps `label_part` have left in medweave's home is not made again.
    """
    chain = configured_chain(settings, gold, OutOfFold(coarse.on(settings.compute)), fitted)
    inputs = (images.digest, gold.digest, coarse.digest, labeler, fitted.digest, settings.model_dump(mode="json"))
    with work_folder("label", source, *inputs) as work:
        return label_images(images, chain, source, work, settings.data.max_pixels, home() / "labels")
