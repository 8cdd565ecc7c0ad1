"""The training of a generator: one loop for pixels, latents and LoRA, on one device or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.synthesis.generator import Generator


def train_generator(images: Sequence[ImageTable], settings: Settings, work: Path) -> Generator:
    """Train a generator on all images of the tables; a killed training resumes from `work` and ends with the same weights.

    Gold masks and accepted ones are conditions; an image without one teaches what images look like. Synthetic rows are
    left out. `work` gets a checkpoint and sample sheets (`samples-STEP.png`).

    Raises InputError for fewer than 8 images, for conditional training without a mask that has a foreground, for
    pretrained weights that are not there, and for a checkpoint of another configuration in `work`; RunError when the
    loss is no longer finite.
    """
    raise NotImplementedError
