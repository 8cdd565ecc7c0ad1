"""The Dice that a made label is predicted to reach, learnt on labels of gold images, whose true Dice is known."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TRUST_FEATURES = ("agreement", "expected_dice", "flip_agreement", "prompt_agreement", "score", "contrast")
"""What speaks for a label the more the higher it is."""

COVERAGE = 0.9
LEAST_SPREAD = 0.1
"""The `spread` where a Dice of 1 is predicted."""
PRIOR_GROUPS = 4
"""How many groups a slope of zero weighs as much as: it pulls small samples towards their mean Dice."""
MOST_FOLDS = 25


@dataclass(frozen=True)
class Pair:
    """A label of a gold image: its features and its true Dice, 0..1."""

    image_id: str
    group_id: str
    features: Mapping[str, float]
    dice: float


@dataclass(frozen=True)
class Line:
    """Dice as a line over a label's trust.

    Trust is the mean over features of (value - mean) / deviation; a feature that is missing or not finite counts 0.
    """

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    intercept: float
    slope: float

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Dice 0..1 of labels, from their features n x f (NaN where missing)."""
        return np.clip(self.intercept + self.lead(values), 0.0, 1.0)

    def lead(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the Dice of labels is above the mean of those that the line was fitted to."""
        return self.slope * _trust(values, self.means, self.deviations)


@dataclass(frozen=True)
class Calibration:
    """A line from trust in `features` to Dice, and what leaving groups out showed about its errors.

    `folds` are the lines fitted without some groups, `fold_of[i]` the one that never saw pair i, `residuals[i]` its
    absolute error there over the `spread` of what was predicted, `weights[i]` the pair's share of 1 / (groups + 1); all
    empty where nothing was calibrated.
    """

    features: tuple[str, ...]
    line: Line | None = None
    folds: tuple[Line, ...] = ()
    fold_of: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    residuals: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def predict(self, features: Mapping[str, float]) -> tuple[float | None, float | None, float | None]:
        """Predicted Dice, and the ends of its 90 % interval (None without calibration); all 0..1.

        Without calibration the agreement with the coarse model stands for the Dice; it is None where that is missing.

        The interval is CV+ (Barber et al., "Predictive inference with the jackknife+", Annals of Statistics 2021) over
        groups of unequal size, each weighing the same (Lee, Barber, Willett, "Distribution-free inference with
        hierarchical data", 2023): it holds for a label of a new group. Errors are taken relative to `spread` (locally
        weighted, as in Lei et al., "Distribution-free predictive inference for regression", JASA 2018), so that it is
        narrower where a high Dice is predicted. From fewer than 9 groups it is 0..1.
        """
        agreement = features.get("agreement")
        if agreement is None or not math.isfinite(agreement):
            return None, None, None
        if self.line is None:
            return float(np.clip(agreement, 0.0, 1.0)), None, None
        values = _matrix([features], self.features)
        dice = float(self.line(values)[0])
        centers = np.array([fold(values)[0] for fold in self.folds])[self.fold_of]
        reach = self.residuals * spread(centers)
        low, high = -_upper(reach - centers, self.weights), _upper(reach + centers, self.weights)
        return dice, float(min(max(low, 0.0), dice)), float(max(min(high, 1.0), dice))

    def lead(self, features: Mapping[str, float]) -> float:
        """How far the predicted Dice is above the mean of those it was learnt from; 0 without calibration."""
        return 0.0 if self.line is None else float(self.line.lead(_matrix([features], self.features))[0])


def fit_calibration(pairs: Sequence[Pair], known: Collection[str]) -> Calibration:
    """Fit the Dice on trust, by least squares with a slope >= 0 in which every group weighs the same.

    Features weigh the same too: from a few dozen images weights cannot be learnt (Dawes, "The robust beauty of improper
    linear models", American Psychologist 1979). Used are those of `TRUST_FEATURES` that most pairs have and that are
    `known` of the labels to be judged. The slope is shrunk by groups / (groups + 4). Each group, or from 25 groups on
    one in 25 of them, is left out once.

    With fewer than two groups: `uncalibrated()`.
    """
    names, group_of, sizes = np.unique([pair.group_id for pair in pairs], return_inverse=True, return_counts=True)
    if len(names) < 2:
        return uncalibrated()
    features = tuple(
        name
        for name in TRUST_FEATURES
        if name in known and np.isfinite([pair.features.get(name, math.nan) for pair in pairs]).mean() > 0.5
    )
    values = _matrix([pair.features for pair in pairs], features)
    dice = np.array([pair.dice for pair in pairs])
    weights = 1.0 / sizes[group_of]
    fold_of = folds_of(pairs)
    folds = tuple(_fit(*(part[fold_of != fold] for part in (values, dice, weights))) for fold in np.unique(fold_of))
    found = np.array([folds[fold](row[None])[0] for fold, row in zip(fold_of, values, strict=True)])
    line = _fit(values, dice, weights)
    residuals = np.abs(dice - found) / spread(found)
    return Calibration(features, line, folds, fold_of, residuals, weights / (len(names) + 1))


def spread(predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """How large errors are, up to a factor, where a Dice of 0..1 is predicted: what is left to 1, and a bit.

    A label that is predicted to be good can fail as badly as any other, but fails less often.
    """
    return 1.0 - predicted + LEAST_SPREAD


def folds_of(pairs: Sequence[Pair]) -> NDArray[np.intp]:
    """The fold of each pair: one for each group, or for each 25th of the groups."""
    groups = np.unique([pair.group_id for pair in pairs], return_inverse=True)[1]
    return np.asarray(groups % MOST_FOLDS)


def uncalibrated() -> Calibration:
    """Where no gold label can be compared: the agreement itself stands for the Dice, without an interval."""
    return Calibration(("agreement",))


def _matrix(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[row.get(name, math.nan) for name in names] for row in rows], float).reshape(len(rows), len(names))


def _fit(values: NDArray[np.float64], dice: NDArray[np.float64], weights: NDArray[np.float64]) -> Line:
    known = np.isfinite(values)
    shares = np.where(known, weights[:, None], 0.0)
    shares /= np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
    filled = np.where(known, values, 0.0)
    means = (shares * filled).sum(axis=0)
    deviations = np.sqrt((shares * (filled - means) ** 2).sum(axis=0))
    trust = _trust(values, means, deviations)
    total = weights.sum()
    mean_trust, mean_dice = (weights * trust).sum() / total, (weights * dice).sum() / total
    spread = (weights * (trust - mean_trust) ** 2).sum()
    rise = (weights * (trust - mean_trust) * (dice - mean_dice)).sum()
    slope = max(0.0, rise / spread) * total / (total + PRIOR_GROUPS) if spread > 1e-12 else 0.0
    return Line(means, deviations, float(mean_dice - slope * mean_trust), float(slope))


def _trust(
    values: NDArray[np.float64], means: NDArray[np.float64], deviations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean standard score of each row; features that do not vary, or that a row lacks, count 0."""
    if not values.shape[1]:
        return np.zeros(len(values))
    varies = deviations > 1e-9
    scores = np.where(varies & np.isfinite(values), (values - means) / np.where(varies, deviations, 1.0), 0.0)
    return np.asarray(scores.mean(axis=1))


def _upper(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The 90 % quantile of weighted values when what the weights lack to 1 lies at infinity."""
    order = np.argsort(values)
    reached = np.searchsorted(np.cumsum(weights[order]), COVERAGE - 1e-9)
    return float(values[order][reached]) if reached < len(values) else math.inf
