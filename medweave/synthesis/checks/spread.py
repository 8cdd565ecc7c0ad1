"""How samples are distributed beside real images: Fréchet-type distance and diversity in a feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REPEATS = 20
DIMENSIONS = 16
MOST_PAIRS = 500
FEWEST = 4
"""Images on either side of a distance below which it says nothing."""


@dataclass(frozen=True)
class Frechet:
    """The distance of samples from real images, and that of two halves of the real ones (means over random draws).

    Both compare sets of `images` images, as the distance depends on their number. `real95` is what 95 % of the halves
    stay below: samples beyond it differ from real images by more than chance.
    """

    samples: float
    real: float
    real95: float
    images: int


def frechet(real: NDArray[np.float32], samples: NDArray[np.float32], seed: int) -> Frechet | None:
    """Compare features NxD of real images with MxD of samples; None with fewer than 8 real images or 4 samples.

    For each of 20 draws the real images are halved at random; the distance of a half to the other one is set beside
    its distance to as many samples. Features are reduced to at most 16 principal components of all images, and
    covariances are shrunk (Ledoit and Wolf, 2004), so that it works for a few dozen images.
    """
    count = min(len(real) // 2, len(samples))
    if count < FEWEST:
        return None
    mean, axes = _principal(np.concatenate([real, samples]), min(DIMENSIONS, max(2, count // 2)))
    reduced, others = (real - mean) @ axes, (samples - mean) @ axes
    rng = np.random.default_rng(seed)
    between, beside = [], []
    for _ in range(REPEATS):
        order, drawn = rng.permutation(len(real)), rng.permutation(len(samples))[:count]
        half = reduced[order[:count]]
        between.append(frechet_distance(half, reduced[order[count : 2 * count]]))
        beside.append(frechet_distance(half, others[drawn]))
    return Frechet(float(np.mean(beside)), float(np.mean(between)), float(np.quantile(between, 0.95)), count)


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of two normal distributions fitted to NxD and MxD values.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau, 1982), the C shrunk as of Ledoit and Wolf.
    """
    from sklearn.covariance import ledoit_wolf

    covariances = [ledoit_wolf(part)[0] for part in (first, second)]
    root = _root(covariances[0])
    overlap = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariances[1] @ root), 0, None)).sum()
    moved = float(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum())
    return max(0.0, moved + float(np.trace(covariances[0]) + np.trace(covariances[1])) - 2 * float(overlap))


def mean_distance(features: NDArray[np.float32], seed: int) -> float | None:
    """Mean distance of two different images' features NxD; of 500 images drawn at random where there are more.

    None for fewer than two.
    """
    from scipy.spatial.distance import pdist

    if len(features) < 2:
        return None
    chosen = np.random.default_rng(seed).permutation(len(features))[:MOST_PAIRS]
    return float(pdist(features[chosen]).mean())


def _principal(values: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean = values.mean(axis=0)
    return mean, np.linalg.svd(values - mean, full_matrices=False)[2][:count].T


def _root(covariance: NDArray[np.floating]) -> NDArray[np.floating]:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)
