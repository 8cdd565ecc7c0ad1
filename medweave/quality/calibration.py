"""The Dice that a made label is predicted to reach, learnt on gold images that the whole chain labelled too."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

COVERAGE = 0.9
PRIOR_IMAGES = 4
"""How many images a slope of zero weighs as much as: it pulls small samples towards their mean Dice."""


@dataclass(frozen=True)
class Calibration:
    """A line from agreement to Dice, and what leaving each group out showed about its errors.

    `fold_intercepts[i]`, `fold_slopes[i]` are the line fitted without image i's group, and `residuals[i]` is that
    line's absolute error at image i; None where nothing was calibrated.
    """

    intercept: float
    slope: float
    fold_intercepts: tuple[float, ...] = ()
    fold_slopes: tuple[float, ...] = ()
    residuals: tuple[float, ...] | None = None

    def predict(self, agreement: float) -> tuple[float, float | None, float | None]:
        """Predicted Dice, and the ends of its 90 % interval (None without calibration); all 0..1.

        The interval is CV+ with a group a fold (Barber et al., "Predictive inference with the jackknife+", Annals
        of Statistics 2021). From fewer than 9 images it is 0..1.
        """
        dice = _clip(self.intercept + self.slope * agreement)
        if self.residuals is None:
            return dice, None, None
        n = len(self.residuals)
        rank = math.ceil(COVERAGE * (n + 1))
        if rank > n:
            return dice, 0.0, 1.0
        centers = np.clip(np.asarray(self.fold_intercepts) + np.asarray(self.fold_slopes) * agreement, 0.0, 1.0)
        residuals = np.asarray(self.residuals)
        low = _clip(np.sort(centers - residuals)[n - rank])
        high = _clip(np.sort(centers + residuals)[rank - 1])
        return dice, min(low, dice), max(high, dice)

    def to_json(self) -> str:
        """This calibration as JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        residuals = None if values["residuals"] is None else tuple(values["residuals"])
        folds = tuple(values["fold_intercepts"]), tuple(values["fold_slopes"])
        return cls(values["intercept"], values["slope"], folds[0], folds[1], residuals)


def fit_calibration(agreement: NDArray[np.floating], dice: NDArray[np.floating], groups: Sequence[str]) -> Calibration:
    """Fit Dice (0..1) on agreement (0..1), both of shape (n,), by a least-squares line with slope >= 0.

    The slope is shrunk by n / (n + 4). Raises ValueError for n = 0 and for lengths that differ.
    """
    x, y, group = np.asarray(agreement, float), np.asarray(dice, float), np.asarray(groups)
    if not len(x) or not len(x) == len(y) == len(group):
        raise ValueError(f"needs as many agreements as Dice values and groups, got {len(x)}, {len(y)}, {len(group)}")
    names = np.unique(group)
    folds = np.zeros((len(x), 2))
    if len(names) > 1:
        for name in names:
            held_out = group == name
            folds[held_out] = _line(x[~held_out], y[~held_out])
        residuals = np.abs(y - np.clip(folds[:, 0] + folds[:, 1] * x, 0.0, 1.0))
    else:
        folds, residuals = folds[:0], x[:0]
    return Calibration(
        *_line(x, y), tuple(folds[:, 0].tolist()), tuple(folds[:, 1].tolist()), tuple(residuals.tolist())
    )


def uncalibrated() -> Calibration:
    """For a labeler that cannot label gold: the agreement itself stands for the Dice, without an interval."""
    return Calibration(intercept=0.0, slope=1.0)


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    spread = ((x - x.mean()) ** 2).sum()
    slope = max(0.0, ((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
    slope *= len(x) / (len(x) + PRIOR_IMAGES)
    return float(y.mean() - slope * x.mean()), float(slope)


def _clip(value: float) -> float:
    return float(min(1.0, max(0.0, value)))
