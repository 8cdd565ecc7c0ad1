"""Prompts for promptable models, derived from a coarse model's probabilities and from what gold allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave.config import Prompts

Box = tuple[float, float, float, float]
Point = tuple[float, float, bool]

WORKING_SIDE = 512
SPECK_SHARE = 0.01
RING = 0.25
DISTANCE_COST = 0.1


@dataclass(frozen=True)
class Prompt:
    """Where one object of class `class_index` (1..C) is, in pixels of the image's own size.

    `box` is (x0, y0, x1, y1), half-open along pixel edges: [x0, x1) x [y0, y1). `points` are (x, y, is_foreground)
    with the column x and the row y of a pixel. A prompt has a box, points or both.
    """

    class_index: int
    box: Box | None = None
    points: tuple[Point, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form; see `from_json`."""
        return {
            "class_index": self.class_index,
            "box": None if self.box is None else list(self.box),
            "points": [list(point) for point in self.points],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Prompt:
        """What `to_json` wrote."""
        box = None if content["box"] is None else _box(content["box"])
        return cls(content["class_index"], box, tuple((x, y, bool(sign)) for x, y, sign in content["points"]))


@dataclass(frozen=True)
class ClassBounds:
    """What a component (8-connected region) of one class may be.

    `min_area_share` and `max_area_share` are shares of the image, `min_component_share` is a share of the largest
    component of the class in the same image; all 0..1.
    """

    min_area_share: float
    max_area_share: float
    min_component_share: float
    max_components: int


@dataclass(frozen=True)
class Bounds:
    """What gold allows, class 1 first."""

    classes: tuple[ClassBounds, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form; see `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Bounds:
        """What `to_json` wrote."""
        return cls(tuple(ClassBounds(**bounds) for bounds in content["classes"]))


def bounds_from_masks(masks: Iterable[NDArray[np.uint8]], classes: int, slack: float) -> Bounds:
    """Bounds on the components of each class over gold masks (HxW class maps).

    The range of areas in gold is widened on both sides by `slack` times its extent, on a logarithmic scale, and at
    least so that lengths may be `1 + slack` times smaller or larger. The number of components is the largest in gold.
    Specks under 1 % of a class's largest component do not count. A class that no mask has is not bounded, but for one
    component an image.
    """
    areas: list[list[NDArray[np.float64]]] = [[] for _ in range(classes)]
    for mask in masks:
        for index in range(classes):
            found = _component_areas(mask == index + 1) / mask.size
            if found.size:
                areas[index].append(found[found >= SPECK_SHARE * found.max()])
    return Bounds(tuple(_class_bounds(of_class, slack) for of_class in areas))


def prompts_from_probabilities(
    probabilities: NDArray[np.float32], size: tuple[int, int], settings: Prompts, bounds: Bounds
) -> list[Prompt]:
    """One prompt for each component that the coarse model sees and `bounds` allow, largest mass first in each class.

    `probabilities` is CxHxW (class k+1 in channel k, 0..1) at any resolution, `size` the image's (height, width).
    Components are 8-connected regions of probability over `settings.threshold` where the class is the likeliest one.
    Boxes grow on every side by `settings.margin` of their width or height and are clipped to the image. Points are the
    most interior spot, as foreground, and up to four improbable spots, one beside each side of the box.
    An image where nothing passes gets no prompt: the list is empty.
    """
    import cv2

    height, width = size
    scale = min(1.0, WORKING_SIDE / max(size))
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    resized = np.stack([cv2.resize(np.asarray(p, np.float32), shape[::-1]) for p in probabilities])
    likeliest = resized.argmax(axis=0)
    prompts = []
    for index, (probability, allowed) in enumerate(zip(resized, bounds.classes, strict=True)):
        seen = (probability > settings.threshold) & (likeliest == index)
        for component in _allowed_components(seen, probability, allowed):
            box = _box_around(component)
            prompts.append(
                Prompt(
                    index + 1,
                    None if settings.kind == "points" else _grown(box, settings.margin, shape, size),
                    () if settings.kind == "box" else _points(component, probability, box, settings.threshold, size),
                )
            )
    return prompts


def _class_bounds(areas: Sequence[NDArray[np.float64]], slack: float) -> ClassBounds:
    if not areas:
        return ClassBounds(0.0, 1.0, 0.0, 1)
    least, most = float(min(found.min() for found in areas)), float(max(found.max() for found in areas))
    squared = (1.0 + slack) ** 2
    factor = max(squared, (most / least) ** slack)
    return ClassBounds(
        min_area_share=least / factor,
        max_area_share=min(1.0, most * factor),
        min_component_share=float(min(found.min() / found.max() for found in areas)) / squared,
        max_components=max(found.size for found in areas),
    )


def _component_areas(region: NDArray[np.bool_]) -> NDArray[np.float64]:
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    areas: NDArray[np.float64] = stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
    return areas


def _allowed_components(
    seen: NDArray[np.bool_], probability: NDArray[np.float32], allowed: ClassBounds
) -> list[NDArray[np.bool_]]:
    """Masks of the components within the bounds, by probability mass, largest first."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(seen.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    mass = np.bincount(labels.ravel(), probability.ravel(), count)
    least = max(allowed.min_area_share * seen.size, allowed.min_component_share * max(areas[1:], default=0))
    fitting = [k for k in range(1, count) if least <= areas[k] <= allowed.max_area_share * seen.size]
    fitting.sort(key=lambda k: -mass[k])
    return [labels == k for k in fitting[: allowed.max_components]]


def _box_around(component: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(component.any(axis=1)), np.flatnonzero(component.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _grown(box: tuple[int, int, int, int], margin: float, shape: tuple[int, int], size: tuple[int, int]) -> Box:
    """The box with its margin, from the working shape to the image's size (both height, width)."""
    x0, y0, x1, y1 = box
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    grown = np.array([max(0.0, x0 - dx), max(0.0, y0 - dy), min(shape[1], x1 + dx), min(shape[0], y1 + dy)])
    return _box(grown * np.tile([size[1] / shape[1], size[0] / shape[0]], 2))


def _points(
    component: NDArray[np.bool_],
    probability: NDArray[np.float32],
    box: tuple[int, int, int, int],
    threshold: float,
    size: tuple[int, int],
) -> tuple[Point, ...]:
    import cv2

    depth = cv2.distanceTransform(np.pad(component, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int((depth * probability).argmax()), depth.shape)
    spots = [(int(column), int(row), True)]
    for x0, y0, x1, y1 in _strips(box, probability.shape):
        strip = probability[y0:y1, x0:x1]
        if strip.size == 0 or strip.min() >= threshold:
            continue
        away = np.hypot(*np.ogrid[-1 : 1 : strip.shape[0] * 1j, -1 : 1 : strip.shape[1] * 1j])
        row, column = np.unravel_index(int((strip + DISTANCE_COST * away).argmin()), strip.shape)
        spots.append((x0 + int(column), y0 + int(row), False))
    scale_x, scale_y = size[1] / probability.shape[1], size[0] / probability.shape[0]
    return tuple(
        (round((x + 0.5) * scale_x - 0.5, 2), round((y + 0.5) * scale_y - 0.5, 2), sign) for x, y, sign in spots
    )


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


def _box(values: Iterable[float]) -> Box:
    x0, y0, x1, y1 = (round(float(value), 2) for value in values)
    return x0, y0, x1, y1
