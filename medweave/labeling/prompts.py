"""Prompts for promptable models, derived from a coarse model's probabilities and from what gold allows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave.config import Prompts
from medweave.labeling.points import Spot, inside_spots, outside_spots

Box = tuple[float, float, float, float]
Point = tuple[float, float, bool]

WORKING_SIDE = 512
SPECK_SHARE = 0.01


@dataclass(frozen=True)
class Prompt:
    """Where one object of class `class_index` (1..C) is, in pixels of the image's own size.

    `box` is (x0, y0, x1, y1), half-open along pixel edges: [x0, x1) x [y0, y1). `points` are (x, y, is_foreground)
    with the column x and the row y of a pixel. A prompt has a box, points or both. Prompts of an image with equal
    class and `component` are alternatives for the same object.
    """

    class_index: int
    box: Box | None = None
    points: tuple[Point, ...] = ()
    component: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form; see `from_json`."""
        return {
            "class_index": self.class_index,
            "component": self.component,
            "box": None if self.box is None else list(self.box),
            "points": [list(point) for point in self.points],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Prompt:
        """What `to_json` wrote."""
        box = None if content["box"] is None else _box(content["box"])
        points = tuple((x, y, bool(sign)) for x, y, sign in content["points"])
        return cls(content["class_index"], box, points, content["component"])


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
        """JSON-serialisable form."""
        return asdict(self)


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
    probabilities: NDArray[np.float32], size: tuple[int, int], settings: Prompts, bounds: Bounds, image_id: str
) -> list[Prompt]:
    """`1 + settings.jitters` prompts for each component that the coarse model sees and `bounds` allow.

    `probabilities` is CxHxW (class k+1 in channel k, 0..1) at any resolution, `size` the image's (height, width).
    Components are 8-connected regions of probability over `settings.threshold` where the class is the likeliest one,
    numbered from 0 in each class by probability mass, largest first.

    The first box of a component is grown on every side by `settings.margin` of its width or height; the further ones
    have every side moved outwards by a share drawn evenly from 0 to `settings.jitter`. Boxes are clipped to the image.
    Points are a spot inside, as foreground (the most interior one first, then random interior ones), and up to four
    improbable spots, one beside each side of the component. What is random follows from `image_id` alone.
    An image where nothing passes gets no prompt: the list is empty.
    """
    import cv2

    height, width = size
    scale = min(1.0, WORKING_SIDE / max(size))
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    resized = np.stack([cv2.resize(np.asarray(p, np.float32), shape[::-1]) for p in probabilities])
    strongest = resized.max(axis=0)
    seed = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8])
    prompts: list[Prompt] = []
    for index, (probability, allowed) in enumerate(zip(resized, bounds.classes, strict=True)):
        seen = (probability > settings.threshold) & (probability == strongest)
        for number, component in enumerate(_allowed_components(seen, probability, allowed)):
            generator = np.random.default_rng([seed, index, number])
            forms = _forms(component, probability, settings, size, generator)
            prompts.extend(Prompt(index + 1, box, points, number) for box, points in forms)
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
    mass = np.bincount(labels[seen], probability[seen], count)
    least = max(allowed.min_area_share * seen.size, allowed.min_component_share * max(areas[1:], default=0))
    fitting = [k for k in range(1, count) if least <= areas[k] <= allowed.max_area_share * seen.size]
    fitting.sort(key=lambda k: -mass[k])
    return [labels == k for k in fitting[: allowed.max_components]]


def _box_around(component: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(component.any(axis=1)), np.flatnonzero(component.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _forms(
    component: NDArray[np.bool_],
    probability: NDArray[np.float32],
    settings: Prompts,
    size: tuple[int, int],
    generator: np.random.Generator,
) -> list[tuple[Box | None, tuple[Point, ...]]]:
    """Box and points of each alternative for one component, which is in the working shape, in pixels of the image."""
    tight, shape = _box_around(component), component.shape
    growths = [np.full(4, settings.margin), *generator.uniform(0.0, settings.jitter, (settings.jitters, 4))]
    boxes = [None if settings.kind == "points" else _grown(tight, growth, shape, size) for growth in growths]
    if settings.kind == "box":
        return [(box, ()) for box in boxes]
    outside = [_point(spot, False, shape, size) for spot in outside_spots(probability, tight, settings.threshold)]
    inside = inside_spots(component, probability, settings.jitters, generator)
    return [(box, (_point(spot, True, shape, size), *outside)) for box, spot in zip(boxes, inside, strict=True)]


def _grown(
    box: tuple[int, int, int, int], growth: NDArray[np.float64], shape: tuple[int, ...], size: tuple[int, int]
) -> Box:
    """The box with its sides moved outwards by shares of its size, from the working shape to the image's size."""
    x0, y0, x1, y1 = box
    moved = np.array(box) + growth * np.array([x0 - x1, y0 - y1, x1 - x0, y1 - y0])
    limits = np.array([shape[1], shape[0]] * 2)
    return _box(np.clip(moved, 0, limits) * np.tile([size[1] / shape[1], size[0] / shape[0]], 2))


def _point(spot: Spot, is_foreground: bool, shape: tuple[int, ...], size: tuple[int, int]) -> Point:
    """The centre of a pixel of the working shape as a point of the image."""
    x, y = ((at + 0.5) * full / reduced - 0.5 for at, full, reduced in zip(spot, size[::-1], shape[::-1], strict=True))
    return round(x, 2), round(y, 2), is_foreground


def _box(values: Iterable[float]) -> Box:
    x0, y0, x1, y1 = (round(float(value), 2) for value in values)
    return x0, y0, x1, y1
