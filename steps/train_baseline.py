"""Train the baseline on gold alone."""

from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation import Segmenter, build_training_set, train_on
from medweave.work import work_folder
from steps.caching import SEGMENTATION


@step(cache_policy=SEGMENTATION)
def train_baseline(gold: ImageTable, coarse: Segmenter, settings: Settings) -> Annotated[Segmenter, "baseline"]:
    """The final model's recipe and steps, with gold labels only."""
    with work_folder("baseline", coarse.digest, gold.digest, settings.model_dump(mode="json")) as work:
        data = build_training_set([gold], [], settings, work / "data")
        return train_on(data, coarse.card, settings, "baseline", work)
