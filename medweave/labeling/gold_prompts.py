"""Prompts for the objects of gold masks, as wrong as the coarse model's: what a labeler is fitted to gold with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.labelers import Target
from medweave.labeling.points import inside_spots, outside_spots
from medweave.labeling.prompts import SPECK_SHARE, Box, Point, Prompt

Mask = NDArray[np.bool_]
PromptKind = Literal["box", "points", "box_and_points"]

LEAST_SPREAD = 0.05
MOST_SPREAD = 0.25
MOST_BIAS = 0.25
LEAST_OVERLAP = 0.3
"""IoU of a prompt's box with an object's that it takes to be meant for it."""
LEAST_MATCHES = 3
INWARDS, OUTWARDS = 0.35, 0.6
"""How far a side is moved at most, so that a box never vanishes."""


@dataclass(frozen=True)
class GoldImage:
    """A gold image (its target has no prompts) and its HxW uint8 class map."""

    target: Target
    mask: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.mask.shape[0], self.mask.shape[1]


@dataclass(frozen=True)
class GoldObject:
    """A component (8-connected) of a class in a gold mask: its HxW region and the tight box around it."""

    class_index: int
    component: int
    region: Mask
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class BoxErrors:
    """How far the sides of prompts' boxes lie outside an object's: `bias` +- `spread`, in widths or heights."""

    bias: float = 0.0
    spread: float = 0.1


@dataclass(frozen=True)
class GoldSet:
    """Gold images, the fold that each group of them is in, and with which prompts a labeler is fitted to them."""

    images: Sequence[GoldImage]
    folds: Mapping[str, int]
    classes: int
    errors: BoxErrors = BoxErrors()
    kind: PromptKind = "box"
    seed: int = 0

    def fold(self, image: GoldImage) -> int:
        """The fold of an image."""
        return self.folds[image.target.group_id]

    def without(self, fold: int) -> list[GoldImage]:
        """The images of the other folds."""
        return [image for image in self.images if self.fold(image) != fold]


def gold_objects(mask: NDArray[np.uint8], classes: int) -> list[GoldObject]:
    """The components of each class, largest first, without specks under 1 % of the class's largest."""
    import cv2

    found = []
    for class_index in range(1, classes + 1):
        _, labels, stats, _ = cv2.connectedComponentsWithStats((mask == class_index).astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        for number, label in enumerate(1 + np.argsort(-areas, kind="stable")):
            if areas[label - 1] < SPECK_SHARE * areas.max():
                break
            x, y, width, height = (int(value) for value in stats[label, :4])
            found.append(GoldObject(class_index, number, labels == label, (x, y, x + width, y + height)))
    return found


def box_errors(prompted: Iterable[tuple[Sequence[GoldObject], Sequence[Prompt]]]) -> BoxErrors:
    """The errors of boxes that the coarse model's out-of-fold predictions led to, image by image.

    An object is compared with the boxes of its class that overlap it by an IoU of 0.3 or more. Bias is the median over
    all sides, spread the median absolute deviation made comparable to a standard deviation (x 1.4826); both are
    bounded, as a few images tell little about the extremes. Too few boxes that fit give the errors' defaults.
    """
    shares = [
        _outward_shares(gold.box, prompt.box)
        for objects, prompts in prompted
        for gold in objects
        for prompt in prompts
        if prompt.box is not None
        and prompt.class_index == gold.class_index
        and _iou(gold.box, prompt.box) >= LEAST_OVERLAP
    ]
    if len(shares) < LEAST_MATCHES:
        return BoxErrors()
    sides = np.concatenate(shares)
    bias = float(np.median(sides))
    spread = 1.4826 * float(np.median(np.abs(sides - bias)))
    return BoxErrors(
        round(float(np.clip(bias, -MOST_BIAS, MOST_BIAS)), 4),
        round(float(np.clip(spread, LEAST_SPREAD, MOST_SPREAD)), 4),
    )


def gold_prompts(
    gold: GoldObject,
    errors: BoxErrors,
    kind: PromptKind,
    count: int,
    generator: np.random.Generator,
) -> list[Prompt]:
    """`count` alternatives for one object: boxes with random errors, clipped to the image, points, or both.

    Sides move independently, normally distributed within two deviations. Points are a random interior spot, as
    foreground, and background spots beside the box.
    """
    prompts = []
    for _ in range(count):
        box = jittered(gold.box, errors, gold.region.shape, generator)
        points = () if kind == "box" else _points(gold, generator)
        prompts.append(Prompt(gold.class_index, None if kind == "points" else box, points, gold.component))
    return prompts


def jittered(
    box: tuple[int, int, int, int], errors: BoxErrors, shape: tuple[int, ...], generator: np.random.Generator
) -> Box:
    """A box with random errors inside an image of `shape` (height, width)."""
    shares = errors.bias + errors.spread * np.clip(generator.standard_normal(4), -2, 2)
    x0, y0, x1, y1 = box
    moved = np.array(box) + np.clip(shares, -INWARDS, OUTWARDS) * np.array([x0 - x1, y0 - y1, x1 - x0, y1 - y0])
    left, top, right, bottom = np.clip(moved, 0, [shape[1], shape[0]] * 2).tolist()
    return left, top, right, bottom


def _points(gold: GoldObject, generator: np.random.Generator) -> tuple[Point, ...]:
    probability = gold.region.astype(np.float32)
    x, y = inside_spots(gold.region, probability, 1, generator)[1]
    outside = outside_spots(probability, gold.box, 0.5)
    return (float(x), float(y), True), *((float(x), float(y), False) for x, y in outside)


def _outward_shares(of_object: tuple[int, int, int, int], box: Box) -> NDArray[np.float64]:
    """How far each side of the box lies outside the object's, in widths or heights of the object."""
    x0, y0, x1, y1 = of_object
    outwards: NDArray[np.float64] = np.subtract(box, of_object) / np.array([x0 - x1, y0 - y1, x1 - x0, y1 - y0])
    return outwards


def _iou(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (first, second))
    return common / (areas - common)
