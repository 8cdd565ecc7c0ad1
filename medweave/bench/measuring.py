"""How well and how fast a labeler does on images with gold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.bench.data import GoldFolder
from medweave.labeling.gold_prompts import GoldImage
from medweave.labeling.labelers import Labeler
from medweave.labeling.prompt_choice import mean_dice
from medweave.labeling.prompts import Prompt

BATCH = 8
RESAMPLES = 2000

Prompting = Callable[[GoldImage], Sequence[Prompt]]


@dataclass(frozen=True)
class Measured:
    """The Dice (0..1) of each image for each way of prompting, and the speed with the first of them."""

    dice: Mapping[str, NDArray[np.float64]]
    images_per_second: float

    def to_json(self) -> dict[str, Any]:
        """For each way of prompting mean and median Dice with 95 % intervals, and the speed."""
        speed = {"images_per_second": round(self.images_per_second, 2)}
        return {name: {"dice": summary(dice)} for name, dice in self.dice.items()} | speed


def measure(labeler: Labeler, images: GoldFolder, promptings: Mapping[str, Prompting]) -> Measured:
    """Label every image once for each way of prompting.

    The speed is that of prompting and labelling the first way, without reading, after one image to warm up: what the
    labeler keeps of an image for later prompts does not make it faster.
    """
    dice: dict[str, list[float]] = {name: [] for name in promptings}
    first, seconds = next(iter(promptings)), 0.0
    _warm_up(labeler, next(iter(images)), promptings[first])
    waiting = iter(images)
    with progress.task(labeler.name, len(images), unit="images") as task:
        while batch := list(islice(waiting, BATCH)):
            for name, prompting in promptings.items():
                started = time.perf_counter()
                targets = [replace(image.target, prompts=tuple(prompting(image))) for image in batch]
                labels = labeler.segment(targets)
                seconds += (time.perf_counter() - started) * (name == first)
                dice[name].extend(mean_dice(label, image.mask) for label, image in zip(labels, batch, strict=True))
            task.advance(len(batch), f"Dice {np.mean(dice[first]):.3f}")
    return Measured({name: np.array(values) for name, values in dice.items()}, len(images) / seconds)


def summary(values: NDArray[np.float64], seed: int = 0) -> dict[str, Any]:
    """Mean and median with their 95 % percentile intervals of the bootstrap over images."""
    drawn = values[np.random.default_rng(seed).integers(values.size, size=(RESAMPLES, values.size))]
    told: dict[str, Any] = {}
    for name, statistic, interval in (("mean", np.mean, "ci95"), ("median", np.median, "median_ci95")):
        ends = np.quantile(statistic(drawn, axis=1), [0.025, 0.975])
        told |= {name: round(float(statistic(values)), 4), interval: [round(float(end), 4) for end in ends]}
    return told


def _warm_up(labeler: Labeler, image: GoldImage, prompting: Prompting) -> None:
    prompted = replace(image.target, image_sha256="warm-up", prompts=tuple(prompting(image)))
    labeler.segment([prompted])
