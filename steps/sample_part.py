"""Make a part of the synthetic images, beside other pods that make the rest."""

from typing import Annotated

from zenml import step

from medweave import synthesis
from medweave.config import Settings
from medweave.data import ImageTable
from medweave.home import home
from medweave.shared import shared
from medweave.synthesis import Generator, plan_samples
from steps.caching import SYNTHESIS


@step(cache_policy=SYNTHESIS)
def sample_part(
    generator: Generator, gold: ImageTable, weak: ImageTable, part: int, parts: int, settings: Settings
) -> Annotated[int, "sampled"]:
    """How many images this part has; they are in a folder of medweave's home that pods share, for `synthesize`."""
    plan = plan_samples(generator, [gold, weak], settings, home() / "synthetic")
    with shared(plan.folder):
        return synthesis.sample_part(generator, plan.wanted, settings, plan.folder, settings.seed, part, parts)
