"""The settings of the prompts that suit a labeler and a task, chosen on gold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.config import Prompts
from medweave.data.leads import lead_over
from medweave.labeling.batches import Halving
from medweave.labeling.consensus import dice
from medweave.labeling.labelers import Labeler, Made, NoMask, Target, prompted_with
from medweave.labeling.prompts import Bounds, prompts_from_probabilities

BATCH = 8


@dataclass(frozen=True)
class Candidate:
    """Settings and the Dice (0..1) of the labels they give, one an image; 0 for an image that gets no label."""

    prompts: Prompts
    dice: NDArray[np.float64]


def prompt_candidates(settings: Prompts) -> list[Prompts]:
    """What to choose from, the simplest first; the number of alternatives is that of `settings`."""
    forms = [("box", 1), ("box_and_points", 1), ("box", 2)]
    varied = product(forms, (0.5, 0.35), (0.05, 0.02, 0.1))
    return [
        settings.model_copy(
            update={
                "auto": False,
                "kind": kind,
                "rounds": rounds,
                "threshold": threshold,
                "margin": margin,
                "jitter": 2 * margin,
            }
        )
        for (kind, rounds), threshold, margin in varied
    ]


def choose_prompts(
    labeler: Labeler,
    targets: Sequence[Target],
    masks: Sequence[NDArray[np.uint8]],
    coarse: Sequence[NDArray[np.float32]],
    bounds: Bounds,
    candidates: Sequence[Prompts],
) -> tuple[Prompts, list[Candidate]]:
    """The settings to prompt `labeler` with, and how well each of `candidates` does.

    `targets` are the gold images (their prompts are not used), `masks` their HxW class maps, and `coarse` the coarse
    model's out-of-fold probabilities CxHxW. Chosen is the first candidate whose mean Dice is not below the best one's
    by more than one standard error of the paired difference, over groups: a lead within the noise of a few patients is
    a tie, and ties go to the simpler. (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3.)
    """
    measured = []
    with progress.task("choose prompts", len(candidates)) as task:
        for candidate in candidates:
            scores = _dice(prompted_with(labeler, candidate), targets, masks, coarse, bounds, candidate)
            measured.append(Candidate(candidate, scores))
            task.advance(note=f"Dice {scores.mean():.3f}")
    groups = [target.group_id for target in targets]
    best = max(measured, key=lambda candidate: np.mean(candidate.dice))
    return next(one.prompts for one in measured if ties(one.dice, best.dice, groups)), measured


def _dice(
    labeler: Labeler,
    targets: Sequence[Target],
    masks: Sequence[NDArray[np.uint8]],
    coarse: Sequence[NDArray[np.float32]],
    bounds: Bounds,
    candidate: Prompts,
) -> NDArray[np.float64]:
    prompted = {}
    for index, (target, probabilities) in enumerate(zip(targets, coarse, strict=True)):
        size = target.image.shape[0], target.image.shape[1]
        prompts = prompts_from_probabilities(probabilities, size, candidate, bounds, target.image_id)
        if prompts:
            prompted[index] = replace(target, prompts=tuple(prompts), rounds=candidate.rounds)

    def rate(part: Sequence[int]) -> list[float]:
        made = labeler.segment([prompted[index] for index in part])
        return [mean_dice(one, masks[index]) for index, one in zip(part, made, strict=True)]

    scores = np.zeros(len(targets))
    scores[list(prompted)] = [score or 0.0 for score in Halving("choose prompts", BATCH)(rate, list(prompted))]
    return scores


def mean_dice(made: Made | NoMask, truth: NDArray[np.uint8]) -> float:
    """Mean over the classes that label or truth have; an image without a label counts as an empty one."""
    found = made.class_map() if isinstance(made, Made) else np.zeros_like(truth)
    present = np.union1d(found[found > 0], truth[truth > 0])
    return float(np.mean([dice(found == k, truth == k) for k in present])) if present.size else 1.0


def ties(scores: NDArray[np.float64], best: NDArray[np.float64], groups: Sequence[str]) -> bool:
    """Whether the mean of `scores` over groups is not below that of `best` by more than the lead's standard error.

    Both are one number an image, `groups` the images' groups.
    """
    lead = lead_over(scores, best, groups)
    return lead.mean <= lead.standard_error
