"""Masks that were made elsewhere, beside the labels of the same images."""

from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.errors import InputError
from medweave.labeling import second_labeler, second_opinions
from medweave.work import work_folder
from steps.caching import LABELING


@step(cache_policy=LABELING)
def second_opinion(
    labels: ImageTable, labeler: dict[str, Any], settings: Settings
) -> Annotated[ImageTable, "second_labels"]:
    """The images of `labels` with the masks of `labeling.second_opinion`.

    `labeler` is what the folder was when the run started: its masks are read again when it changes.
    """
    masks = second_labeler(settings)
    if masks is None:
        raise InputError("labeling.second_opinion: is not set; give a folder of masks")
    with work_folder("second_opinion", labels.digest, labeler, settings.model_dump(mode="json")) as work:
        return second_opinions(labels, masks, work)
