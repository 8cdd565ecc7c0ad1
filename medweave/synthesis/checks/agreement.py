"""Does an image show the mask that it was made for? What models find on it is held against that mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mask_agreement(condition: NDArray[np.uint8], found: NDArray[np.uint8]) -> float:
    """Dice of two class maps, HxW and hxw uint8, mean over the classes that either has; 1 where both are empty.

    `found` is brought to the condition's size.
    """
    import cv2

    height, width = condition.shape
    found = np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST_EXACT))
    present = [value for value in np.union1d(condition, found) if value > 0]
    overlaps = [
        2 * np.sum((condition == value) & (found == value)) / (np.sum(condition == value) + np.sum(found == value))
        for value in present
    ]
    return float(np.mean(overlaps)) if overlaps else 1.0
