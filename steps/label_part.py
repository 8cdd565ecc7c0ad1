"""Label a part of the images, beside other pods that label the rest."""

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
def label_part(
    images: ImageTable,
    gold: ImageTable,
    coarse: Segmenter,
    labeler: dict[str, Any],
    fitted: FittedLabeler,
    source: LabelSource,
    part: int,
    parts: int,
    settings: Settings,
) -> Annotated[int, "labelled"]:
    """How many images this part has: every image whose place, modulo `parts`, is `part`.

    Their labels are kept in a folder of medweave's home that pods share, and `label` finds them there.
    """
    chain = configured_chain(settings, gold, OutOfFold(coarse.on(settings.compute)), fitted)
    inputs = (images.digest, gold.digest, coarse.digest, labeler, fitted.digest, settings.model_dump(mode="json"))
    with work_folder("label_part", source, part, parts, *inputs) as work:
        rows = images.part(part, parts, work / "part")
        return len(label_images(rows, chain, source, work / "labels", settings.data.max_pixels, home() / "labels"))
