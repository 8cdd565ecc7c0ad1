"""Train the coarse model on gold, K-fold."""

from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation import Segmenter, build_training_set
from medweave.segmentation import train_coarse as train_folds
from medweave.work import work_folder
from steps.caching import SEGMENTATION


@step(cache_policy=SEGMENTATION)
def train_coarse(gold: ImageTable, others: ImageTable, settings: Settings) -> Annotated[Segmenter, "coarse"]:
    """One member a fold; the card says which member never saw which group, and where to stop.

    `others` are the unlabeled images, with the labels of an earlier round if there was one; no member judges an image
    whose label it has learned from. Those labels come of models that saw all of gold, so that what is then measured out
    of fold is a little optimistic.
    """
    with work_folder("coarse", gold.digest, others.digest, settings.model_dump(mode="json")) as work:
        data = build_training_set([gold, others], [], settings, work / "data")
        classes, recipe, compute = settings.data.classes, settings.segmentation, settings.compute
        return train_folds(data, classes, recipe, compute, settings.seed, work, cross_fit=True)
