"""Gold images with prompts as wrong as the coarse model's: what a labeler is measured on while it is fitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.gold_prompts import GoldSet, gold_objects, gold_prompts
from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.prompt_choice import mean_dice

EXAMS = 2
"""How often each gold image is prompted, with other errors each time, to see how well a labeler does."""


@dataclass(frozen=True)
class Exam:
    """A gold image of a fold with prompts, and its mask."""

    fold: int
    target: Target
    mask: NDArray[np.uint8]


def exams_on(gold: GoldSet) -> list[Exam]:
    """Every gold image, `EXAMS` times, with one prompt an object, each with other random errors."""
    exams = []
    for index, image in enumerate(gold.images):
        generator = np.random.default_rng([gold.seed, index])
        objects = gold_objects(image.mask, gold.classes)
        for _ in range(EXAMS):
            prompts = tuple(gold_prompts(found, gold.errors, gold.kind, 1, generator)[0] for found in objects)
            exams.append(Exam(gold.fold(image), replace(image.target, prompts=prompts), image.mask))
    return exams


def mean_exam_dice(exams: Sequence[Exam], made: Iterable[Made | NoMask]) -> float:
    """Mean Dice of the labels that are made of exams, which are looked at one by one; 0 where there is none."""
    scores = [mean_dice(label, exam.mask) for exam, label in zip(exams, made, strict=True)]
    return round(float(np.mean(scores)), 4)


def folds_of(gold: GoldSet) -> list[int]:
    """The folds that gold images are in."""
    return sorted({gold.fold(image) for image in gold.images})
