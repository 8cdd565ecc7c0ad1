"""Which of many columns differ between two samples of images? One permutation test for all of them together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medweave.quality.two_samples import Difference

RESAMPLES = 1999
CHUNK = 500
TOLERANCE = 1e-9


def compare_columns(
    reference: NDArray[np.floating], values: NDArray[np.floating], seed: int, resamples: int = RESAMPLES
) -> list[Difference]:
    """Compare the columns of `values` (mxC) with those of `reference` (nxC); NaN is a value that is not known.

    Of a column of 0 and 1 the effect is the difference of the rates. `p` is adjusted for all columns. A column that is
    constant in both together, or unknown in either, has an effect of 0, a spread of 0 and a p of 1.

    Rows are shuffled between the samples as a whole, so that the columns keep what they have to do with each other, and
    p is adjusted by the largest standardised statistic (Westfall and Young, Resampling-Based Multiple Testing, 1993,
    step-down maxT): calling differences those with p of at most alpha holds the chance of any false one to alpha, and
    columns that move together cost less than with Bonferroni or Holm. Ties and small samples need no correction. Rows
    are taken as independent of each other.
    """
    n, m = len(reference), len(values)
    pooled = np.concatenate([reference, values]).astype(np.float64)
    known = np.isfinite(pooled)
    counted = known.astype(np.float64)
    scores = np.concatenate([_centred_ranks(pooled, known), _centred_ranks(_distances(pooled, known), known)], axis=1)

    def deltas(members: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cliff's deltas (kx2C) of the rows that the k rows of `members` mark against the others, and their scale.

        The deviation of delta goes with sqrt(1/a + 1/b) for a values against b; dividing by it makes shuffled samples
        comparable that got other numbers of known values.
        """
        inside = np.tile(members @ counted, 2)
        total = np.tile(counted.sum(axis=0), 2)
        pairs = np.maximum(inside * (total - inside), 1)
        return 2 * (members @ scores) / pairs, np.sqrt(np.maximum(total, 1) / pairs)

    observed, scale = deltas(np.repeat([0.0, 1.0], [n, m])[None])
    rng = np.random.default_rng(seed)
    starts = range(0, resamples, CHUNK)
    resampled = np.concatenate(
        [np.divide(*deltas(_memberships(rng, n, m, min(CHUNK, resamples - start)))) for start in starts]
    )
    deviation = np.sqrt(np.square(resampled).mean(axis=0))
    deviation[deviation < TOLERANCE] = np.inf
    p = _step_down(_largest(observed / scale / deviation)[0], _largest(resampled / deviation))
    effect, spread = observed[0].reshape(2, -1)
    return [Difference(float(e), float(s), float(a)) for e, s, a in zip(effect, spread, p, strict=True)]


def _memberships(rng: np.random.Generator, n: int, m: int, count: int) -> NDArray[np.float64]:
    """So many rows (count x n+m) of zeros with m ones at random places."""
    marked = np.tile(np.repeat([0.0, 1.0], [n, m]), (count, 1))
    rng.permuted(marked, axis=1, out=marked)
    return marked


def _centred_ranks(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ranks within each column less their mean, 0 where a value is not known."""
    from scipy.stats import rankdata

    ranks = rankdata(np.where(known, values, np.inf), axis=0)
    centred: NDArray[np.float64] = np.where(known, ranks - (known.sum(axis=0) + 1) / 2, 0.0)
    return centred


def _distances(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far each value is from its column's median."""
    middle = [np.median(column[there]) if there.any() else 0.0 for column, there in zip(values.T, known.T, strict=True)]
    distances: NDArray[np.float64] = np.abs(values - np.array(middle))
    return distances


def _largest(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """The larger of a column's two |statistics|, kx2C to kxC."""
    both = np.abs(statistics).reshape(len(statistics), 2, -1)
    return np.asarray(both.max(axis=1))


def _step_down(observed: NDArray[np.float64], resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p of C statistics, given kxC resampled ones."""
    order = np.argsort(-observed, kind="stable")
    ahead = np.maximum.accumulate(resampled[:, order[::-1]], axis=1)[:, ::-1]
    reached = (ahead >= observed[order] - TOLERANCE).sum(axis=0)
    p = np.empty_like(observed)
    p[order] = np.maximum.accumulate((reached + 1) / (len(resampled) + 1))
    return p
