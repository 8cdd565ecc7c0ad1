"""The simplest labeler: the ellipse inscribed in each box. What any other one has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.labelers import merge_scores
from medweave.labeling.prompts import Box, Prompt


class EllipseLabeler:
    """Takes every object for the ellipse inscribed in its box."""

    name = "ellipse"
    digest = ""
    requires_prompts = True

    def provenance(self, _image_id: str | None = None) -> dict[str, Any]:
        """Nothing but the name decides."""
        return {"labeler": self.name, "labeler_digest": self.digest}

    def segment(self, image: NDArray[np.uint8], prompts: Sequence[Prompt], _image_id: str) -> NDArray[np.uint8]:
        """HxW class map; prompts without a box are left out."""
        height, width = image.shape[:2]
        boxes = ((prompt.class_index, prompt.box) for prompt in prompts if prompt.box is not None)
        return merge_scores(((index, 1 - radius(box, (height, width))) for index, box in boxes), (height, width))


def radius(box: Box, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Each pixel centre's distance from the box's centre, HxW, with 1 on the ellipse inscribed in the box.

    Pixel (row, column) has its centre at (column + 0.5, row + 0.5). A box without an area gives infinity.
    """
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        return np.full(shape, np.inf, np.float32)
    y = (np.arange(shape[0]) + 0.5 - (y0 + y1) / 2) / ((y1 - y0) / 2)
    x = (np.arange(shape[1]) + 0.5 - (x0 + x1) / 2) / ((x1 - x0) / 2)
    distance: NDArray[np.float32] = np.hypot(y[:, None], x[None, :]).astype(np.float32)
    return distance
