"""Soft consensus of labeler and coarse model: how far each should count is chosen on gold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.labelers import Made, NoMask
from medweave.labeling.prompt_choice import mean_dice, ties

SHARES = (0.0, 0.25, 0.5, 0.75)


def blend(made: Made | NoMask, coarse: NDArray[np.float32], share: float) -> Made | NoMask:
    """The label with (1 - share) of its own probabilities and `share` (0..1) of the coarse model's, CxSxS.

    A mask that is empty then is no label.
    """
    import cv2

    if isinstance(made, NoMask) or not share:
        return made
    height, width = made.probabilities.shape[1:]
    seen = np.stack([cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR) for layer in coarse])
    both = np.asarray((1 - share) * made.probabilities + share * seen, np.float32)
    if not (both > 0.5).any():
        return NoMask("labeler and coarse model together are sure of nothing")
    return replace(made, probabilities=both)


def choose_share(
    labels: Sequence[Made | NoMask],
    coarse: Sequence[NDArray[np.float32]],
    masks: Sequence[NDArray[np.uint8]],
    groups: Sequence[str],
) -> tuple[float, dict[float, float]]:
    """The coarse model's share that gold's labels are best with, and the mean Dice with each of `SHARES`.

    `labels` and `coarse` were made without the gold image concerned; `masks` are gold's HxW class maps, of
    images of these `groups`. Chosen is the smallest share whose mean Dice is not below the best one's by
    more than one standard error of the difference, over groups.
    """
    scores = {
        share: np.array(
            [
                mean_dice(blend(label, seen, share), mask)
                for label, seen, mask in zip(labels, coarse, masks, strict=True)
            ]
        )
        for share in SHARES
    }
    best = max(scores.values(), key=lambda dice: np.mean(dice))
    chosen = next(share for share, dice in scores.items() if ties(dice, best, groups))
    return chosen, {share: float(dice.mean()) for share, dice in scores.items()}
