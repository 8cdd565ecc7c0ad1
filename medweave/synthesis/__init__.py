"""Synthetic images: what makes them, and the interface it keeps.

`train_generator` learns from real images, `make_conditions` draws new masks, `sample_images` makes images for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from medweave.config import Synthesis
from medweave.data import ImageTable, write_table
from medweave.errors import InputError
from medweave.synthesis.conditions import Condition, make_conditions
from medweave.synthesis.generator import Generator
from medweave.synthesis.sampling import sample_images
from medweave.synthesis.training import train_generator

__all__ = [
    "Condition",
    "Generator",
    "NoSynthesizer",
    "Synthesizer",
    "create_synthesizer",
    "make_conditions",
    "sample_images",
    "train_generator",
]


class Synthesizer(Protocol):
    """Makes images like those of two tables."""

    def synthesize(self, gold: ImageTable, unlabeled: ImageTable, count: int, seed: int, work: Path) -> ImageTable:
        """Write `count` images under `work` and return their rows, without labels; resumable from `work`."""
        ...


class NoSynthesizer:
    """Makes nothing: the stage is off."""

    def synthesize(self, gold: ImageTable, unlabeled: ImageTable, count: int, seed: int, work: Path) -> ImageTable:  # noqa: ARG002
        """An empty table."""
        return write_table(work, [])


def create_synthesizer(settings: Synthesis) -> Synthesizer:
    """The synthesizer that the settings ask for. Raises InputError for one that this version does not have."""
    if settings.enabled:
        raise InputError("synthesis.enabled=true: this version has no image generator yet; set synthesis.enabled=false")
    return NoSynthesizer()
