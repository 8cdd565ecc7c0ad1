"""Make images like the real ones."""

from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.home import work_folder
from medweave.synthesis import create_synthesizer
from steps.caching import SYNTHESIS


@step(cache_policy=SYNTHESIS)
def synthesize(
    gold: ImageTable, unlabeled: ImageTable, settings: Settings
) -> Annotated[ImageTable, "synthetic_images"]:
    """Synthetic images from gold and unlabeled ones; an empty table when synthesis is off."""
    synthesizer = create_synthesizer(settings.synthesis)
    with work_folder("synthesize", gold.digest, unlabeled.digest, settings.model_dump(mode="json")) as work:
        return synthesizer.synthesize(gold, unlabeled, settings.synthesis.count, settings.seed, work)
