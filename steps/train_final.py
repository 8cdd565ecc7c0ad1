"""Train the final model on gold, accepted weak and accepted synthetic labels."""

from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation import Segmenter, build_training_set, train_on
from medweave.work import work_folder
from steps.caching import SEGMENTATION


@step(cache_policy=SEGMENTATION)
def train_final(
    gold: ImageTable, weak: ImageTable, synthetic: ImageTable, coarse: Segmenter, settings: Settings
) -> Annotated[Segmenter, "final"]:
    """The baseline's recipe and steps, with every label that was accepted."""
    with work_folder(
        "final", coarse.digest, gold.digest, weak.digest, synthetic.digest, settings.model_dump(mode="json")
    ) as work:
        data = build_training_set([gold, weak], [synthetic], settings, work / "data")
        return train_on(data, coarse.card, settings, "final", work)
