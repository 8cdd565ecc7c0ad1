"""What masks look like, within which bounds, and changes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SPECK = 1e-4
"""Components that cover less than this share of the image do not count."""
ROTATION, SCALE, SHIFT = 15.0, 1.25, 0.08
"""Most degrees, factor (and its inverse), and share of the side that a mask is turned, scaled and shifted by."""
WAVE, SWAY = 0.125, 0.03
"""Elastic changes: standard deviation of their smoothing and of their length, as shares of the side."""


@dataclass(frozen=True)
class Shape:
    """One class in one mask: share of the image's area, number of 8-connected components, and centre (y, x) in 0..1."""

    area: float
    components: int
    centre: tuple[float, float] | None


@dataclass(frozen=True)
class Bounds:
    """Of each class the least and the most of area, components and the centre's coordinates (where it is seen)."""

    areas: tuple[tuple[float, float], ...]
    components: tuple[tuple[int, int], ...]
    centres: tuple[tuple[tuple[float, float], tuple[float, float]] | None, ...]

    def hold(self, mask: np.ndarray) -> bool:
        """Whether all classes of an HxW uint8 mask are within the bounds."""
        return all(self._holds(number, shape_of(mask == number + 1)) for number in range(len(self.areas)))

    def _holds(self, number: int, shape: Shape) -> bool:
        low, high = self.areas[number]
        fewest, most = self.components[number]
        if not (low <= shape.area <= high and fewest <= shape.components <= most):
            return False
        bounds = self.centres[number]
        if shape.centre is None or bounds is None:
            return shape.centre is None
        return all(first <= at <= last for at, (first, last) in zip(shape.centre, bounds, strict=True))


def shape_of(foreground: np.ndarray) -> Shape:
    """The shape of an HxW bool mask; one without foreground has no centre."""
    import cv2

    if not foreground.any():
        return Shape(0.0, 0, None)
    height, width = foreground.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(foreground.astype(np.uint8), connectivity=8)
    components = int(np.count_nonzero(stats[1:, cv2.CC_STAT_AREA] >= SPECK * foreground.size))
    rows, columns = np.nonzero(foreground)
    centre = (float((rows.mean() + 0.5) / height), float((columns.mean() + 0.5) / width))
    return Shape(float(foreground.mean()), components, centre)


def bounds_of(masks: Sequence[np.ndarray], classes: int) -> Bounds:
    """What HxW uint8 masks show of each of the classes."""
    areas, components, centres = [], [], []
    for number in range(1, classes + 1):
        shapes = [shape_of(mask == number) for mask in masks]
        areas.append((min(s.area for s in shapes), max(s.area for s in shapes)))
        components.append((min(s.components for s in shapes), max(s.components for s in shapes)))
        seen = [s.centre for s in shapes if s.centre is not None]
        ys, xs = [y for y, _ in seen], [x for _, x in seen]
        centres.append(((min(ys), max(ys)), (min(xs), max(xs))) if seen else None)
    return Bounds(tuple(areas), tuple(components), tuple(centres))


def move(mask: np.ndarray, flip: bool, rng: np.random.Generator) -> np.ndarray:
    """An SxS uint8 mask turned and scaled about its centre, shifted, and bent; `flip`: half of them left to right.

    What enters at the borders is the border repeated, so that a structure that is cut by it stays so.
    """
    import cv2

    size = len(mask)
    if flip and rng.random() < 0.5:
        mask = mask[:, ::-1]
    rows, columns = np.nonzero(mask)
    cy, cx = (rows.mean(), columns.mean()) if len(rows) else (size / 2, size / 2)
    angle = np.deg2rad(rng.uniform(-ROTATION, ROTATION))
    factor = SCALE ** rng.uniform(-1.0, 1.0)
    dy, dx = rng.uniform(-SHIFT, SHIFT, 2) * size
    bend = [_smooth(rng.standard_normal((size, size)), WAVE * size) * SWAY * size for _ in range(2)]
    y, x = np.mgrid[:size, :size]
    y, x = y - cy - dy + bend[0], x - cx - dx + bend[1]
    from_y = (np.cos(angle) * y - np.sin(angle) * x) / factor + cy
    from_x = (np.sin(angle) * y + np.cos(angle) * x) / factor + cx
    values = np.unique(mask)
    planes = [
        cv2.remap(
            (mask == value).astype(np.float32),
            from_x.astype(np.float32),
            from_y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for value in values
    ]
    moved: np.ndarray = values[np.argmax(planes, axis=0)]
    return moved


def mix(mask: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The first mask with one component of the other (both SxS uint8) where the first has background."""
    import cv2

    number, labels = cv2.connectedComponents((other > 0).astype(np.uint8), connectivity=8)
    chosen = labels == rng.integers(1, number) if number > 1 else np.zeros(other.shape, bool)
    mixed: np.ndarray = np.where(chosen & (mask == 0), other, mask)
    return mixed


def _smooth(noise: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    smooth: np.ndarray = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return smooth / max(float(smooth.std()), 1e-9)
