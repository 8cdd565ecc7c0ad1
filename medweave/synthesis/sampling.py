"""Sampling: images for masks, or free ones, as PNG files and an image table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.synthesis.conditions import Condition
from medweave.synthesis.generator import Generator


def sample_images(
    generator: Generator, wanted: Sequence[Condition] | int, settings: Settings, folder: Path, seed: int
) -> ImageTable:
    """Make an image for each condition, or so many free ones; files in `folder`/images, the table in `folder`.

    Rows have label source `synthetic`, a group of their own, and in `made_by` the generator's digest, seed and index,
    sampler, steps, guidance and code, and `condition`: the mask's digest, `origin` and `change` (None for a free image,
    which has no mask). Each image comes from (seed, index) alone. A killed run goes on after the shards that are there;
    the result is that of a run without a break.

    Raises InputError for conditions that do not fit the generator, for a folder that holds samples of another recipe,
    and when it cannot be written (then no half-made sample is in the table).
    """
    raise NotImplementedError
