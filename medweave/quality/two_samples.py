"""Do two samples come from one distribution? A permutation test on Cliff's delta, honest for small and tied samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4999
Way = Literal["higher", "lower", "wider", "narrower", "same"]


@dataclass(frozen=True)
class Difference:
    """How a sample differs from a reference.

    `effect` is Cliff's delta of the values, P(value > reference) - P(value < reference) for a random pair; `spread` is
    the same of their distances from the median of both samples together, above 0 for a sample that is wider. Both are
    in -1..1. `p` is the probability of so large a |effect| or |spread| in two samples of one distribution.
    """

    effect: float
    spread: float
    p: float

    @property
    def size(self) -> float:
        """The larger of |effect| and |spread|, 0..1."""
        return max(abs(self.effect), abs(self.spread))

    @property
    def way(self) -> Way:
        """How the sample lies to the reference, by the larger of |effect| and |spread|."""
        if self.size == 0:
            return "same"
        if abs(self.effect) >= abs(self.spread):
            return "higher" if self.effect > 0 else "lower"
        return "wider" if self.spread > 0 else "narrower"


def compare(
    reference: NDArray[np.floating], values: NDArray[np.floating], seed: int, resamples: int = RESAMPLES
) -> Difference:
    """Compare finite `values` (m,) with a finite `reference` (n,). Raises ValueError for fewer than two of either.

    Cliff's delta (Cliff, "Dominance statistics", Psychological Bulletin 1993) sees a shift but not samples that are
    wider or narrower about the same middle; the delta of distances does, as the ranks of scale in Lepage's test
    (Biometrika 1971). The larger of the two is tested by permutation: exactly where there are no more than `resamples`
    ways to part the values, else by that many random ones, the observed one counted in. Ties are in every permutation
    as in the data, so p is right with them too. Values are taken as independent of each other.
    """
    from scipy.stats import permutation_test, rankdata

    n, m = len(reference), len(values)
    pooled = np.concatenate([reference, values])
    ranks = np.stack([rankdata(pooled), rankdata(np.abs(pooled - np.median(pooled)))])

    def deltas(members: NDArray[np.integer], axis: int = -1) -> NDArray[np.float64]:
        rank_sums: NDArray[np.float64] = ranks[:, members].sum(axis=axis)
        return (2 * rank_sums - m * (m + 1)) / (n * m) - 1

    def largest(_: NDArray[np.integer], members: NDArray[np.integer], axis: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.abs(deltas(members, axis)).max(axis=0)
        return found

    places = np.arange(n), np.arange(n, n + m)
    tested = permutation_test(
        places, largest, vectorized=True, n_resamples=resamples, batch=1000, alternative="greater", rng=seed
    )
    effect, spread = deltas(places[1]).tolist()
    return Difference(effect, spread, float(tested.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in the same order (Holm, Scandinavian Journal of Statistics 1979).

    Calling differences those of at most alpha holds the chance of any false one to alpha, however the tests depend
    on each other.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in adjusted]
