"""Confidence intervals of means over images that come in groups (patients, clusters of near-duplicates)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its 95 % confidence interval; all NaN when there was nothing to average."""

    mean: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """`{"mean": m, "ci95": [low, high]}`."""
        return {"mean": self.mean, "ci95": [self.low, self.high]}


def bootstrap_mean(values: ArrayLike, groups: Sequence[Hashable], resamples: int, seed: int) -> Interval:
    """Mean of `values` (one an image, NaN dropped) with the 95 % percentile interval of the cluster bootstrap.

    Groups are drawn with replacement, as many as there are, and each draw's estimate is the mean over all images of
    the drawn groups (a ratio estimator; Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8).
    With a single group the interval has no width: it says nothing about other groups.

    Raises ValueError when there are not as many groups as values.
    """
    array = np.asarray(values, dtype=np.float64)
    if len(groups) != array.size:
        raise ValueError(f"{array.size} values but {len(groups)} groups")
    known = ~np.isnan(array)
    if not known.any():
        return Interval(math.nan, math.nan, math.nan)
    numbers: dict[Hashable, int] = {}
    member = np.array([numbers.setdefault(g, len(numbers)) for g, k in zip(groups, known, strict=True) if k])
    sums, counts = np.bincount(member, weights=array[known]), np.bincount(member)

    rng = np.random.default_rng(seed)
    rows = max(1, DRAWS_AT_ONCE // counts.size)
    estimates = np.empty(resamples)
    for start in range(0, resamples, rows):
        chunk = estimates[start : start + rows]
        drawn = rng.integers(counts.size, size=(chunk.size, counts.size))
        chunk[:] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(estimates, [0.025, 0.975])
    return Interval(float(array[known].mean()), float(low), float(high))


def paired_difference(
    challenger: ArrayLike, reference: ArrayLike, groups: Sequence[Hashable], resamples: int, seed: int
) -> Interval:
    """`bootstrap_mean` of challenger - reference, two values for the same images in the same order."""
    return bootstrap_mean(np.subtract(challenger, reference), groups, resamples, seed)
