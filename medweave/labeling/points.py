"""Point prompts: spots inside an object, and spots beside it that are surely not the object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Spot = tuple[int, int]
"""Column and row of a pixel."""

RING = 0.25
"""How far beside the box, as a share of its width or height, background spots may be."""
DISTANCE_COST = 0.1
"""What a spot at the end of its strip has to be less probable by than the one in the middle."""
DEEP = 0.5
"""Share of the most interior spot's depth that other spots inside must have."""


def inside_spots(
    component: NDArray[np.bool_], probability: NDArray[np.float32], further: int, generator: np.random.Generator
) -> list[Spot]:
    """The most interior spot of an HxW mask, and `further` random ones among those at least half as interior.

    Interior is the distance from the contour (the image's border counts as one) times the probability.
    """
    import cv2

    padded = np.pad(component, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] * probability
    deep = np.flatnonzero(depth >= DEEP * depth.max())
    chosen = [int(depth.argmax()), *generator.choice(deep, further).tolist()]
    return [(spot % depth.shape[1], spot // depth.shape[1]) for spot in chosen]


def outside_spots(probability: NDArray[np.float32], box: tuple[int, int, int, int], threshold: float) -> list[Spot]:
    """The least probable spot beside each side of a box (x0, y0, x1, y1), the middle of the side on a tie.

    Left, right, above, below; none on a side at the image's border, or where nothing is under `threshold`.
    """
    spots = []
    for x0, y0, x1, y1 in _strips(box, probability.shape):
        strip = probability[y0:y1, x0:x1]
        if strip.size == 0 or strip.min() >= threshold:
            continue
        away = np.hypot(*np.ogrid[-1 : 1 : strip.shape[0] * 1j, -1 : 1 : strip.shape[1] * 1j])
        row, column = np.unravel_index(int((strip + DISTANCE_COST * away).argmin()), strip.shape)
        spots.append((x0 + int(column), y0 + int(row)))
    return spots


def _strips(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """What lies left, right, above and below a box, as wide as a quarter of it, inside the image."""
    x0, y0, x1, y1 = box
    dx, dy = max(1, round(RING * (x1 - x0))), max(1, round(RING * (y1 - y0)))
    return [
        (max(0, x0 - dx), y0, x0, y1),
        (x1, y0, min(shape[1], x1 + dx), y1),
        (x0, max(0, y0 - dy), x1, y0),
        (x0, y1, x1, min(shape[0], y1 + dy)),
    ]
