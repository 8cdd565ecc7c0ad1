"""Make images for new masks."""

from itertools import chain
from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable, write_table
from medweave.home import home
from medweave.shared import shared
from medweave.synthesis import Generator, in_origin_groups, plan_samples, sample_images
from medweave.work import work_folder
from steps.caching import SYNTHESIS


@step(cache_policy=SYNTHESIS)
def synthesize(
    generator: Generator, gold: ImageTable, weak: ImageTable, settings: Settings
) -> Annotated[ImageTable, "samples"]:
    """Samples, not yet checked; `weak` are the unlabeled images with their checked labels.

    Their files stay in medweave's home. What steps `sample_part` have left there is not made again.
    """
    plan = plan_samples(generator, [gold, weak], settings, home() / "synthetic")
    with shared(plan.folder):
        samples = sample_images(generator, plan.wanted, settings, plan.folder, settings.seed)
    with work_folder("synthesize", samples.digest, gold.digest, weak.digest) as work:
        return write_table(work / "samples", in_origin_groups(samples, chain(gold, weak)))
