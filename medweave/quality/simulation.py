"""Labels with errors of known size, made from gold: what labels are like whose labeler cannot label gold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

THRESHOLDS = (0.2, 0.5, 0.8)
BLENDS = (0.6, 0.8)
"""Shares of the coarse probabilities when they are mixed with gold."""


def simulated_masks(
    truth: Mask, coarse: NDArray[np.floating], others: Sequence[Mask], rng: np.random.Generator
) -> list[Mask]:
    """Wrong versions of a gold mask `truth`, an HxW class map, none of them empty; `coarse` is CxHxW, 0..1.

    The coarse model's mask at several thresholds and mixed with gold; gold and the coarse mask moved, scaled, shrunk,
    grown, cut in two, with a rough border, holes and specks, and as jittered ellipses; gold at another place; and
    `others`, gold masks HxW of other images.
    """
    classes = len(coarse)
    gold = (truth == np.arange(1, classes + 1, dtype=np.uint8)[:, None, None]).astype(np.float64)
    seen = [_class_map(coarse, threshold) for threshold in THRESHOLDS]
    masks = [*seen, *(_class_map(share * coarse + (1 - share) * gold, 0.5) for share in BLENDS)]
    for start in (truth, seen[1]):
        if start.any():
            masks += [
                _moved(start, _direction(rng, rng.uniform(0.1, 0.6)), rng.uniform(0.8, 1.2)),
                _moved(start, (0.0, 0.0), rng.uniform(0.5, 0.8)),
                _moved(start, (0.0, 0.0), rng.uniform(1.25, 2.0)),
                _resized_border(start, rng.uniform(-0.4, -0.1)),
                _resized_border(start, rng.uniform(0.1, 0.4)),
                _cut(start, rng),
                _rough(start, rng),
                _ellipses(start, rng),
            ]
    if truth.any():
        masks += [_moved(truth, _direction(rng, rng.uniform(1.0, 2.5)), 1.0)]
    return [mask for mask in [*masks, *others] if mask.any()]


def _class_map(probabilities: NDArray[np.floating], threshold: float) -> Mask:
    likeliest = probabilities.argmax(axis=0) + 1
    return np.where(probabilities.max(axis=0) > threshold, likeliest, 0).astype(np.uint8)


def _size(mask: Mask) -> float:
    """The side in pixels of a square of the foreground's area."""
    return float(np.sqrt((mask > 0).sum()))


def _center(mask: Mask) -> tuple[float, float]:
    ys, xs = np.nonzero(mask)
    return float(xs.mean()), float(ys.mean())


def _direction(rng: np.random.Generator, length: float) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    return length * float(np.cos(angle)), length * float(np.sin(angle))


def _moved(mask: Mask, shift: tuple[float, float], scale: float) -> Mask:
    """Scaled about its centre and shifted by multiples of its size."""
    import cv2

    x, y = _center(mask)
    dx, dy = (_size(mask) * part for part in shift)
    matrix = np.array([[scale, 0, x * (1 - scale) + dx], [0, scale, y * (1 - scale) + dy]])
    height, width = mask.shape
    return cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST).astype(np.uint8)


def _resized_border(mask: Mask, share: float) -> Mask:
    """Grown (share > 0) or shrunk by a share of half its size; a grown class does not cover another one."""
    import cv2

    radius = max(1, round(abs(share) * _size(mask) / 2))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    changed = np.zeros_like(mask) if share < 0 else mask.copy()
    for value in np.unique(mask[mask > 0]):
        one = (mask == value).astype(np.uint8)
        if share < 0:
            changed[cv2.erode(one, kernel) > 0] = value
        else:
            changed[(cv2.dilate(one, kernel) > 0) & (changed == 0)] = value
    return changed


def _cut(mask: Mask, rng: np.random.Generator) -> Mask:
    """Only what lies on one side of a line near the centre."""
    x, y = _center(mask)
    nx, ny = _direction(rng, 1.0)
    ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]]
    offset = rng.uniform(-0.3, 0.3) * _size(mask)
    return np.where((xs - x) * nx + (ys - y) * ny > offset, mask, 0).astype(np.uint8)


def _rough(mask: Mask, rng: np.random.Generator) -> Mask:
    """Flipped where smooth noise is strong: bays and bulges at the border, holes, specks."""
    import cv2

    noise = np.abs(cv2.GaussianBlur(rng.normal(size=mask.shape), (0, 0), max(1.0, 0.12 * _size(mask))))
    strong = noise > np.quantile(noise, rng.uniform(0.8, 0.95))
    near = _resized_border(mask, 0.8) > 0
    return np.where(strong & near, np.where(mask > 0, 0, mask.max()), mask).astype(np.uint8)


def _ellipses(mask: Mask, rng: np.random.Generator) -> Mask:
    """Each component as the ellipse inscribed in its box, whose sides move by up to a fifth of its width or height."""
    import cv2

    drawn = np.zeros_like(mask)
    for value in np.unique(mask[mask > 0]):
        _, _, stats, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=8)
        for left, top, width, height, _ in stats[1:]:
            x0, x1 = left + width * rng.uniform(-0.2, 0.2), left + width * (1 + rng.uniform(-0.2, 0.2))
            y0, y1 = top + height * rng.uniform(-0.2, 0.2), top + height * (1 + rng.uniform(-0.2, 0.2))
            ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
            inside = ((2 * xs - x0 - x1) / (x1 - x0)) ** 2 + ((2 * ys - y0 - y1) / (y1 - y0)) ** 2 <= 1
            drawn[inside] = value
    return drawn
