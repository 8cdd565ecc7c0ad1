"""One label of what a labeler made of each prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.labelers import Made, NoMask
from medweave.labeling.prompts import Prompt

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Vote:
    """What a labeler made of one prompt.

    `probability` is (y1-y0)x(x1-x0) float32, 0..1, over `window` (x0, y0, x1, y1), half-open pixels inside the image;
    outside of it the probability is 0. `score` is the labeler's estimate of the IoU.
    """

    prompt: Prompt
    window: Window
    probability: NDArray[np.float32]
    score: float | None = None


def consensus(votes: Sequence[Vote], classes: int, shape: tuple[int, int]) -> Made | NoMask:
    """The label of an image of `shape` (height, width) with `classes` foreground classes.

    Votes for the same object (equal class and component) are averaged; objects of a class unite by the maximum.
    The score is the mean over all votes, where each has one. No label comes of no vote, of probabilities that are not
    finite, and of a mask (probability over 0.5) that would be empty.
    """
    objects: dict[tuple[int, int], list[Vote]] = defaultdict(list)
    for vote in votes:
        objects[vote.prompt.class_index, vote.prompt.component].append(vote)
    probabilities = np.zeros((classes, *shape), np.float32)
    agreements: list[float] = []
    for (class_index, _), alternatives in objects.items():
        (x0, y0, x1, y1), layers = _aligned(alternatives)
        mean = layers.mean(axis=0)
        if len(alternatives) > 1:
            agreements.extend(dice(layer > 0.5, mean > 0.5) for layer in layers)
        united = probabilities[class_index - 1, y0:y1, x0:x1]
        np.maximum(united, mean, out=united)
    if not votes:
        return NoMask("no prompt")
    if not np.isfinite(probabilities).all():
        return NoMask("the labeler gave probabilities that are not finite")
    if not (probabilities > 0.5).any():
        outside = all(_lies_outside(vote.prompt, shape) for vote in votes)
        return NoMask("the prompts lie outside the image" if outside else "the labeler found nothing at the prompts")
    scores = [vote.score for vote in votes if vote.score is not None]
    return Made(
        probabilities,
        score=float(np.mean(scores)) if len(scores) == len(votes) else None,
        agreement=float(np.mean(agreements)) if agreements else None,
    )


def _aligned(votes: Sequence[Vote]) -> tuple[Window, NDArray[np.float32]]:
    """The smallest window around those of all votes, and their probabilities in it, one layer a vote."""
    windows = np.array([vote.window for vote in votes])
    left, top, right, bottom = (int(v) for v in (*windows[:, :2].min(axis=0), *windows[:, 2:].max(axis=0)))
    layers = np.zeros((len(votes), bottom - top, right - left), np.float32)
    for layer, vote in zip(layers, votes, strict=True):
        x0, y0, x1, y1 = vote.window
        layer[y0 - top : y1 - top, x0 - left : x1 - left] = vote.probability
    return (left, top, right, bottom), layers


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice of two binary masks, 1 when both are empty."""
    sizes = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / sizes if sizes else 1.0


def _lies_outside(prompt: Prompt, shape: tuple[int, int]) -> bool:
    """Whether no part of the box and no point is within an image of `shape` (height, width)."""
    height, width = shape
    spots = any(-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5 for x, y, _ in prompt.points)
    if prompt.box is None:
        return not spots
    x0, y0, x1, y1 = prompt.box
    return not spots and (x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height)
