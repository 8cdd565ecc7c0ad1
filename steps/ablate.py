"""Measure what each part of the final training is worth."""

from typing import Annotated, Any

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.segmentation import Evaluation, Segmenter, build_training_set
from medweave.segmentation import ablate as measure
from medweave.work import work_folder
from steps.caching import SEGMENTATION


@step(cache_policy=SEGMENTATION)
def ablate(
    gold: ImageTable,
    weak: ImageTable,
    synthetic: ImageTable,
    test: ImageTable,
    coarse: Segmenter,
    on_final: Evaluation,
    settings: Settings,
) -> Annotated[list[dict[str, Any]], "ablation"]:
    """Test Dice of the final training without one part at a time; empty unless `evaluation.ablation` is set."""
    if not settings.evaluation.ablation:
        return []
    inputs = [table.digest for table in (gold, weak, synthetic, test)]
    with work_folder("ablate", *inputs, coarse.digest, settings.model_dump(mode="json")) as work:
        data = build_training_set([gold, weak], [synthetic], settings, work / "data")
        return measure(data, coarse.card, settings, test, on_final, work)
