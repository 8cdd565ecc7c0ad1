"""What a run samples: for which masks, and where the images are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from medweave.config import Settings
from medweave.data import ImageTable
from medweave.synthesis.conditions import Condition, make_conditions
from medweave.synthesis.generator import Generator


@dataclass(frozen=True)
class SamplePlan:
    """Conditions, or how many free images, and the folder of the samples."""

    wanted: Sequence[Condition] | int
    folder: Path


def plan_samples(generator: Generator, real: Sequence[ImageTable], settings: Settings, root: Path) -> SamplePlan:
    """The same masks and the same folder under `root` for the same generator, real images and settings."""
    count = settings.synthesis.count
    wanted = make_conditions(chain(*real), settings, count, settings.seed) if generator.conditional else count
    made_of = [generator.digest, *(table.digest for table in real), settings.model_dump(mode="json")]
    name = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:24]
    return SamplePlan(wanted, root / name)
