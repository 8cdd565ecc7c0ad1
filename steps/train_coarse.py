"""Train the coarse model on gold, K-fold."""

from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.home import work_folder
from medweave.segmentation import Segmenter, build_training_set
from medweave.segmentation import train_coarse as train_folds
from steps.caching import SEGMENTATION


@step(cache_policy=SEGMENTATION)
def train_coarse(gold: ImageTable, settings: Settings) -> Annotated[Segmenter, "coarse"]:
    """One member a fold; the card says which member never saw which group, and where to stop."""
    recipe = settings.segmentation
    classes, max_pixels = settings.data.classes, settings.data.max_pixels
    with work_folder("coarse", gold.digest, settings.model_dump(mode="json")) as work:
        data = build_training_set([gold], recipe.image_size, len(classes), max_pixels, work / "data")
        return train_folds(data, classes, recipe, settings.compute, settings.seed, work)
