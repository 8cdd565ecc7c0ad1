"""How far the predicted Dice can be relied on: what it would have said of gold labels it did not learn from."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from medweave.quality.calibration import Pair, fit_calibration, folds_of


@dataclass(frozen=True)
class Judged:
    """A pair with the Dice and interval that a calibration without its group predicts.

    `lead` is how far the prediction is above the mean Dice of what that calibration learnt from.
    """

    pair: Pair
    predicted: float
    low: float
    high: float
    lead: float


def cross_validated(pairs: Sequence[Pair], known: Collection[str]) -> list[Judged]:
    """Each pair as judged by a calibration on the other folds of groups, as `fit_calibration` makes them.

    Pairs without agreement are left out, and so are all where fewer than three groups leave nothing to learn from.
    """
    folds = folds_of(pairs)
    judged = []
    for fold in np.unique(folds):
        others = fit_calibration([pair for pair, own in zip(pairs, folds, strict=True) if own != fold], known)
        for pair in (pair for pair, own in zip(pairs, folds, strict=True) if own == fold):
            predicted, low, high = others.predict(pair.features)
            if predicted is not None and low is not None and high is not None:
                judged.append(Judged(pair, predicted, low, high, others.lead(pair.features)))
    return judged


def rank_correlation(judged: Sequence[Judged]) -> float | None:
    """Spearman's correlation of predicted and true Dice, -1..1; None where either does not vary.

    Ranked are the leads: a label that is better than the others was predicted from a lower mean than they were, so that
    the predictions themselves fall as the truth rises wherever features say little.
    """
    from scipy.stats import rankdata

    ranks = [rankdata([one.lead for one in judged]), rankdata([one.pair.dice for one in judged])]
    if not judged or any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.corrcoef(ranks)[0, 1])


def coverage(judged: Sequence[Judged]) -> float | None:
    """The share of intervals that hold the true Dice, mean over groups, 0..1; None where there are none."""
    held: dict[str, list[bool]] = {}
    for one in judged:
        held.setdefault(one.pair.group_id, []).append(one.low <= one.pair.dice <= one.high)
    return math.fsum(np.mean(group) for group in held.values()) / len(held) if held else None
