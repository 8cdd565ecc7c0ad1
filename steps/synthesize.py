"""Train a generator on the real images, and make images for new masks."""

import hashlib
import json
from itertools import chain
from typing import Annotated

from zenml import step

from medweave.config import Settings
from medweave.data import ImageTable, write_table
from medweave.home import home, work_folder
from medweave.synthesis import Generator, in_origin_groups, make_conditions, sample_images, train_generator
from steps.caching import SYNTHESIS


@step(cache_policy=SYNTHESIS)
def synthesize(
    gold: ImageTable, weak: ImageTable, settings: Settings
) -> tuple[Annotated[ImageTable, "samples"], Annotated[Generator, "generator"]]:
    """Samples, not yet checked, and what made them; `weak` are the unlabeled images with their checked labels.

    Their files stay in medweave's home, in a folder for each generator and way of sampling.
    """
    recipe = settings.model_dump(mode="json")
    wanted = settings.synthesis.count
    with work_folder("synthesize", gold.digest, weak.digest, recipe) as work:
        generator = train_generator([gold, weak], settings, work)
        masks = make_conditions(chain(gold, weak), settings, wanted, settings.seed) if generator.conditional else wanted
        made_of = json.dumps([generator.digest, gold.digest, weak.digest, recipe], sort_keys=True)
        folder = home() / "synthetic" / hashlib.sha256(made_of.encode()).hexdigest()[:24]
        samples = sample_images(generator, masks, settings, folder, settings.seed)
        return write_table(work / "samples", in_origin_groups(samples, chain(gold, weak))), generator
