"""From the network's probabilities to a class map at the image's own size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

SPECK = 1e-3
"""Share of the image below which a component of an expert's mask is not counted."""


def class_map(
    probabilities: np.ndarray, height: int, width: int, most_components: Sequence[int] | None = None
) -> np.ndarray:
    """Foreground probabilities CxSxS float32 to a class map HxW uint8 (0 where background is likeliest).

    With `most_components` a class keeps no more components than that: those of the largest sum of probability.
    """
    import cv2

    resized = np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_LINEAR) for p in probabilities])
    background = 1.0 - resized.sum(axis=0)
    likeliest = resized.argmax(axis=0)
    found = np.where(resized.max(axis=0) > background, likeliest + 1, 0).astype(np.uint8)
    for index, most in enumerate(most_components or ()):
        found[_surplus(found == index + 1, resized[index], most)] = 0
    return found


def most_components(masks: Iterable[np.ndarray], classes: int) -> tuple[int, ...]:
    """For each foreground class the largest number of 8-connected components in one mask HxW, specks not counted."""
    import cv2

    most = [1] * classes
    for mask in masks:
        for index in range(classes):
            stats = cv2.connectedComponentsWithStats((mask == index + 1).astype(np.uint8), connectivity=8)[2]
            count = int((stats[1:, cv2.CC_STAT_AREA] >= SPECK * mask.size).sum())
            most[index] = max(most[index], count)
    return tuple(most)


def _surplus(region: np.ndarray, probability: np.ndarray, most: int) -> np.ndarray:
    """The pixels of a region HxW bool that belong to none of its `most` weightiest components."""
    import cv2

    count, components = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    if count - 1 <= most:
        return np.zeros_like(region)
    mass = np.bincount(components.ravel(), weights=probability.ravel(), minlength=count)[1:]
    kept = 1 + np.argsort(-mass, kind="stable")[:most]
    surplus: np.ndarray = region & ~np.isin(components, kept)
    return surplus
