"""Class probabilities as small PNGs: the image table's `coarse` column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medweave.errors import InputError


def encode_probabilities(probabilities: NDArray[np.floating]) -> bytes:
    """Encode CxHxW probabilities (0..1) as an 8-bit gray PNG of p x 255, classes stacked along the height.

    Decoding gives every probability back to within 1/510.
    """
    import cv2

    classes, height, width = probabilities.shape
    levels = np.rint(np.clip(probabilities, 0.0, 1.0) * 255).astype(np.uint8)
    _, png = cv2.imencode(".png", levels.reshape(classes * height, width))
    return bytes(png)


def decode_probabilities(png: bytes, classes: int) -> NDArray[np.float32]:
    """Decode what `encode_probabilities` made: float32, CxHxW, 0..1.

    Raises InputError for bytes that are no PNG of `classes` stacked maps.
    """
    import cv2

    levels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED) if png else None
    if levels is None or levels.ndim != 2 or levels.dtype != np.uint8 or levels.shape[0] % classes:
        raise InputError(f"coarse probabilities: not an 8-bit PNG of {classes} stacked maps; run train_coarse again")
    stacked: NDArray[np.float32] = levels.reshape(classes, -1, levels.shape[1]).astype(np.float32) / np.float32(255)
    return stacked
