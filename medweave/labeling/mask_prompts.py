"""Prompts from masks that are known: for images that were made for a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medweave.data.masks import decode_mask
from medweave.data.table import ImageRow


class MaskPrompts:
    """Stands where a coarse model does in a `Chain`: what it sees of an image is the mask that the row has."""

    digest = "mask"

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def predict(
        self, _images: Sequence[NDArray[np.uint8]], rows: Sequence[ImageRow]
    ) -> list[tuple[NDArray[np.float32], dict[str, float]]]:
        """Of each row's mask (PNG bytes) 1 where a class is, CxHxW float32; no features."""
        values = np.arange(1, self._classes + 1)[:, None, None]
        masks = (decode_mask(row.mask.png or b"") for row in rows)
        return [((mask == values).astype(np.float32), {}) for mask in masks]
