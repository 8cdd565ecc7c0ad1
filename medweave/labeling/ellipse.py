"""The simplest labeler: the ellipse inscribed in each box. What any other one has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.consensus import Vote, Window, consensus
from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.prompts import Box, Prompt


class EllipseLabeler:
    """Takes every object for the ellipse inscribed in its box."""

    name = "ellipse"
    digest = ""
    requires_prompts = True

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def provenance(self, _image_id: str | None = None, /) -> dict[str, Any]:
        """Nothing but the name decides."""
        return {"labeler": self.name, "labeler_digest": self.digest}

    def segment(self, targets: Sequence[Target], /) -> list[Made | NoMask]:
        """Probability 1 in the ellipse's centre, falling by one half a radius; prompts without a box are left out."""
        return [self._label(target) for target in targets]

    def _label(self, target: Target) -> Made | NoMask:
        shape = target.image.shape[0], target.image.shape[1]
        votes = [_vote(prompt, prompt.box, shape) for prompt in target.prompts if prompt.box is not None]
        return consensus(votes, self._classes, shape)


def radius(box: Box, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Each pixel centre's distance from the box's centre, HxW, with 1 on the ellipse inscribed in the box.

    Pixel (row, column) has its centre at (column + 0.5, row + 0.5). A box without an area gives infinity.
    """
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        return np.full(shape, np.inf, np.float32)
    y = (np.arange(shape[0]) + 0.5 - (y0 + y1) / 2) / ((y1 - y0) / 2)
    x = (np.arange(shape[1]) + 0.5 - (x0 + x1) / 2) / ((x1 - x0) / 2)
    squared = np.asarray(y**2, np.float32)[:, None] + np.asarray(x**2, np.float32)
    return np.sqrt(squared)


def pixels_around(box: Box, surrounding: float, shape: tuple[int, int]) -> Window:
    """The whole pixels, inside an image of `shape`, of a box grown on every side by a share of its width or height."""
    x0, y0, x1, y1 = box
    dx, dy = surrounding * (x1 - x0), surrounding * (y1 - y0)
    xs = np.clip([np.floor(x0 - dx), np.ceil(x1 + dx)], 0, shape[1]).astype(int)
    ys = np.clip([np.floor(y0 - dy), np.ceil(y1 + dy)], 0, shape[0]).astype(int)
    return int(xs[0]), int(ys[0]), int(xs[1]), int(ys[1])


def _vote(prompt: Prompt, box: Box, shape: tuple[int, int]) -> Vote:
    x0, y0, x1, y1 = window = pixels_around(box, 0.5, shape)
    inside = box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0
    distance = radius(inside, (y1 - y0, x1 - x0))
    return Vote(prompt, window, np.clip(1 - distance / 2, 0, 1))
