"""Images and masks as squares, the aspect not kept, as networks take them."""

from __future__ import annotations

import numpy as np


def squash_image(image: np.ndarray, size: int) -> np.ndarray:
    """HxWx3 uint8 to SxSx3 uint8, by area where it shrinks."""
    import cv2

    shrinks = image.shape[0] * image.shape[1] > size * size
    squashed: np.ndarray = cv2.resize(
        image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return squashed


def squash_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """HxW uint8 class map to SxS by nearest neighbour (exact for pixel centres)."""
    import cv2

    squashed: np.ndarray = cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return squashed
