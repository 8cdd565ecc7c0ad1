"""What is surely wrong in a made mask: holes and specks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def clean_mask(
    mask: NDArray[np.uint8], min_component_share: float, max_components: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """Fill holes and drop specks, class by class.

    `mask` is an HxW class map (0 = background). A hole is background that one class encloses (4-connected
    background); another class inside it stays. Of each class, 8-connected components smaller than
    `min_component_share` (0..1) of its largest one are dropped, then all but the largest, as many as `max_components`
    has for the class (class 1 first; None: no limit). What they leave in the midst of one other class becomes that
    class. Returns a new uint8 HxW class map; an empty mask stays empty.
    """
    import cv2

    cleaned = np.zeros_like(mask)
    for value in np.unique(mask[mask > 0]):
        filled = (mask == value) | (_enclosed(mask != value) & (mask == 0))
        _, components, stats, _ = cv2.connectedComponentsWithStats(filled.astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        largest_first = 1 + np.argsort(-areas, kind="stable")
        kept = [index for index in largest_first if areas[index - 1] >= min_component_share * areas.max()]
        keep = np.zeros(len(stats), bool)
        keep[kept if max_components is None else kept[: max_components[value - 1]]] = True
        cleaned[keep[components]] = value
    return _without_gaps(cleaned)


def _without_gaps(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class map where enclosed background that touches one class alone is of that class."""
    import cv2

    empty = mask == 0
    _, regions = cv2.connectedComponents(empty.astype(np.uint8), connectivity=4)
    gaps = np.unique(regions[_enclosed(empty)])
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    touched = {
        value: np.intersect1d(gaps, regions[cv2.dilate((mask == value).astype(np.uint8), cross) > 0])
        for value in (np.unique(mask[~empty]) if gaps.size else ())
    }
    filled = mask.copy()
    for value, own in touched.items():
        others = [gap for other, gaps_of in touched.items() if other != value for gap in gaps_of]
        filled[np.isin(regions, np.setdiff1d(own, others))] = value
    return filled


def _enclosed(background: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Background pixels without a 4-connected way through the background to the image border."""
    import cv2

    count, regions = cv2.connectedComponents(background.astype(np.uint8), connectivity=4)
    enclosed = np.ones(count, bool)
    enclosed[0] = False
    for side in (regions[0], regions[-1], regions[:, 0], regions[:, -1]):
        enclosed[side] = False
    inner: NDArray[np.bool_] = enclosed[regions]
    return inner
