"""Train a diffusion model on the real images."""

from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.synthesis import Generator, train_on_all_gpus
from medweave.work import work_folder
from steps.caching import SYNTHESIS


@step(cache_policy=SYNTHESIS)
def train_generator(gold: ImageTable, weak: ImageTable, settings: Settings) -> Annotated[Generator, "generator"]:
    """A generator of images like gold and `weak`, the unlabeled images with their checked labels."""
    with work_folder("generator", gold.digest, weak.digest, settings.model_dump(mode="json")) as work:
        return train_on_all_gpus([gold, weak], settings, work)
